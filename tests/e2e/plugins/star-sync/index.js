async function setupPlugin({ config, global }) {
    global.headers = { Accept: 'application/vnd.github.v3.star+json', 'User-Agent': 'plugin', ...(config.token ? { Authorization: `token ${config.token}` } : {}) }
    if (!/^[\w.-]+\/[\w.-]+$/.test(config.repository)) throw new Error('Invalid repository')
}

const sync = async ({ config, global, storage }) => {
    let page = (await storage.get('page')) || 1
    for (let more = true; more; page++) {
        const response = await fetch(`${config.api}/repos/${config.repository}/stargazers?page=${page}&per_page=2`, { headers: global.headers })
        if (!response.ok) throw new Error(`page ${page}: ${response.status}`)
        const stars = await response.json()
        for (const { starred_at, user } of stars) {
            if (await storage.get(`user-${user.id}`, false)) continue
            await posthog.capture('github star', { distinct_id: user.login, timestamp: starred_at, login: user.login, for: 'star-sync' })
            await storage.set(`user-${user.id}`, true)
        }
        more = /rel="next"/.test(response.headers.get('link') || '')
        if (more) await storage.set('page', page + 1)
    }
}

async function runEveryHour(meta) {
    await sync(meta)
}

async function onEvent(event, meta) {
    if (event.event === 'sync now') await sync(meta)
}
