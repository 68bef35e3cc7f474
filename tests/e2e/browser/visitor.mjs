// What every visitor of these tests needs: a site of its own on a free port, and a page in a real
// Chromium that takes down its errors and its requests to Penstock.
import { createServer } from 'node:http'
import { chromium } from 'playwright-core'

// Opens a page for the plan's visitor; `answer` serves the site, as an http.Server's listener. Returns
// origin (of the site), page, errors (thrown in the page), requests (to the host of plan.host, as
// playwright has them), outcomes() (the requests' paths and methods, and what became of each) and leave().
export async function arrive(plan, answer) {
  const server = createServer((request, response) => {
    response.setHeader('Content-Type', 'text/html; charset=utf-8')
    answer(request, response)
  })
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  const browser = await chromium.launch({
    executablePath: process.env.PENSTOCK_CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  })
  const context = await browser.newContext({ userAgent: plan.user_agent, locale: 'en-GB' })
  const page = await context.newPage()
  const errors = []
  const requests = []
  page.on('pageerror', (error) => errors.push(String(error)))
  const { origin } = new URL(plan.host)
  page.on('request', (r) => { if (r.url().startsWith(origin + '/')) requests.push(r) })
  return {
    origin: `http://127.0.0.1:${server.address().port}`, page, errors, requests,
    outcomes: () => Promise.all(requests.map(async (r) => {
      const { pathname: path, search: query } = new URL(r.url())
      const status = r.failure()?.errorText ?? (await r.response())?.status()
      return { path, query, method: r.method(), gzip: is_gzip(r.postDataBuffer()), status }
    })),
    async leave() {
      await browser.close()
      server.close()
    },
  }
}

export function is_gzip(body) {
  return body?.[0] === 0x1f && body?.[1] === 0x8b
}
