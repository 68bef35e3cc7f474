// Written when plugins were asked for whole batches.
async function processEventBatch(batch, { cache }) {
    const kept = batch.filter((event) => event.event !== 'noise')
    const numbers = await Promise.all(kept.map(() => cache.incr('number')))
    return kept.map((event, i) => ({ ...event, properties: { ...event.properties, number: numbers[i], of: batch.length } }))
}
module.exports = { processEventBatch }
