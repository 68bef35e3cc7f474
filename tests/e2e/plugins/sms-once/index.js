async function setupPlugin({ config, global }) {
    const { accountSid, authToken } = config
    global.url = `${config.apiUrl}/2010-04-01/Accounts/${accountSid}/Messages.json`
    global.options = {
        method: 'POST',
        headers: { Authorization: 'Basic ' + Buffer.from(accountSid + ':' + authToken).toString('base64') },
    }
    global.triggers = config.triggers.split(',').map((t) => t.trim())
    const test = await fetch(`${config.apiUrl}/2010-04-01/Accounts/${accountSid}.json`, { headers: global.options.headers })
    if (test.status !== 200) throw new Error('Unable to connect to the SMS service')
}

async function onEvent(event, { config, global, storage }) {
    if (!global.triggers.includes(event.event)) return
    const last = await storage.get(`sent-${event.distinct_id}`)
    if (last && Date.now() - last < parseFloat(config.timeoutHours) * 3600e3) {
        console.log(`already told ${event.distinct_id}`)
        return
    }
    const body = new URLSearchParams()
    body.append('To', event.properties.phone)
    body.append('Body', config.message.replace('{name}', event.properties.name || 'you & me'))
    const answer = await fetch(global.url, { ...global.options, body })
    const { sid } = await answer.json()
    if (!answer.ok) throw new Error(`Error sending SMS: ${answer.statusText}`)
    await storage.set(`sent-${event.distinct_id}`, Date.now())
    console.info('sent', sid, answer.headers.get('x-request-id'))
}
