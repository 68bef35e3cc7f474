import type { RequestInfo, RequestInit, Response } from 'node-fetch'
declare function fetch(url: RequestInfo, init?: RequestInit): Promise<Response>

interface Page<T> { items: T[]; next?: string | null }
type Segment = { id: number; name: string; members: string[] }

async function* pages<T>(first: string, headers: Record<string, string>): AsyncGenerator<T> {
    for (let url: string | null | undefined = first; url; ) {
        const page = (await (await fetch(url, { headers })).json()) as Page<T>
        yield* page.items
        url = page.next && new URL(page.next, url).href
    }
}

class Directory {
    private readonly byMember = new Map<string, Segment[]>()
    private constructor() {}
    static async load(url: string): Promise<Directory> {
        const directory = new Directory()
        for await (const segment of pages<Segment>(url, { accept: 'application/json' })) {
            for (const member of segment.members) (directory.byMember.get(member) ?? directory.byMember.set(member, []).get(member)!).push(segment)
        }
        return directory
    }
    namesOf(member: string): string[] {
        return (this.byMember.get(member) ?? []).map(({ name }) => name).sort((a, b) => a.localeCompare(b, undefined, { numeric: true }))
    }
}

let directory: Promise<Directory> | undefined
export async function processEvent(event: any, { config, logger }: any) {
    directory ??= Directory.load(`${config.url}/segments?page=1`)
    const segments = (await directory).namesOf(event.distinct_id)
    logger.info(`${segments.length} segments`)
    return { ...event, $set: { ...event.$set, segments } }
}
