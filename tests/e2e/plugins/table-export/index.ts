import { BigQuery, Table, TableField, TableMetadata } from '@google-cloud/bigquery'
import { Plugin, PluginMeta, PluginEvent, RetryError } from '@posthog/plugin-scaffold'

type TablePlugin = Plugin<{
    global: { client: BigQuery; table: Table; fields: TableField[]; options: object }
    config: { datasetId: string; tableId: string; deduplicate: 'Yes' | 'No'; endpoint: string }
}>

export const setupPlugin: TablePlugin['setupPlugin'] = async (meta) => {
    const { global, attachments, config } = meta
    if (!attachments.googleCloudKeyJson) throw new Error('JSON config not provided!')
    const credentials = JSON.parse(attachments.googleCloudKeyJson.contents.toString())
    global.client = new BigQuery({ projectId: credentials['project_id'], credentials, autoRetry: false, apiEndpoint: config.endpoint } as any)
    global.table = global.client.dataset(config.datasetId).table(config.tableId)
    global.fields = [{ name: 'uuid', type: 'STRING' }, { name: 'event', type: 'STRING' }, { name: 'properties', type: 'STRING' }, { name: 'at', type: 'TIMESTAMP' }]
    try {
        const [metadata]: TableMetadata[] = await global.table.getMetadata()
        const known = new Set(metadata.schema.fields.map(({ name }: TableField) => name))
        const missing = global.fields.filter(({ name }) => !known.has(name!))
        if (missing.length > 0) await global.table.setMetadata({ ...metadata, schema: { fields: [...metadata.schema.fields, ...missing] } })
    } catch (error: any) {
        if (!String(error.message).includes('Not found')) throw new Error(error)
        await global.client.dataset(config.datasetId).createTable(config.tableId, { schema: global.fields })
    }
}

export async function exportEvents(events: PluginEvent[], { global, config }: PluginMeta<TablePlugin>) {
    const rows = events.map(({ uuid, event, properties, timestamp }) => {
        const json = { uuid, event, properties: JSON.stringify(properties ?? {}), at: timestamp }
        return config.deduplicate === 'Yes' ? { insertId: uuid, json } : json
    })
    try {
        await global.table.insert(rows, { createInsertId: false, partialRetries: 0, raw: config.deduplicate === 'Yes' } as any)
        console.log(`Inserted ${events.length} rows`)
    } catch (error: any) {
        console.error(`Error inserting into the table: ${error.message}`)
        throw new RetryError(`Error inserting: ${JSON.stringify(error.errors)}`)
    }
}
