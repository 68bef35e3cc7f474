/** Adds columns of an uploaded table to events whose property is its first column. */
function parseCsv(text) {
  const rows = []
  for (const line of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    if (!line.trim()) continue
    const row = []
    line.replace(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g, (_, quoted, plain) => {
      row.push(quoted !== undefined ? quoted.replace(/""/g, '"') : plain)
      return ''
    })
    rows.push(row)
  }
  return rows
}

exports.setupPlugin = function ({ attachments, global }) {
  const { table } = attachments
  if (!table || table.content_type !== 'text/csv') throw new Error('table: a CSV file is needed')
  const [head, ...rows] = parseCsv(table.contents.toString('utf8'))
  global.head = head
  global.table = rows.reduce((all, row) => Object.assign(all, { [row[0]]: row }), Object.create(null))
}

exports.processEvent = function (event, { global, config }) {
  const row = global.table[event.properties && event.properties[config.property]]
  if (row) global.head.slice(1).forEach((name, i) => { event.properties['lookup_' + name] = row[i + 1] })
  return event
}
