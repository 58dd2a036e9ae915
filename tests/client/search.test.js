// Search and passages: what is found, how it is shown, what an update changes.
'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { InvalidQueryError, InvalidPayloadError, ResourceNotFoundError } = require('@botpress/client')
const { serve, newBot, settled, indexed, until, thrown } = require('./harness')

const server = serve(test)
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const OVEN = `# Oven manual

## Cleaning

Wipe the oven door with warm water and a drop of vinegar. Never use steel wool on the glass.

## Timer

Turn the left knob to set the timer. The oven beeps three times when the time is over.

## Error codes

Code E7 means that the fan is blocked. Switch the oven off and let it cool before opening the back.
`
const FRIDGE = `# Fridge manual

## Temperature

The best temperature for the fridge is four degrees Celsius. Milk goes in the door.

## Noise

A humming noise at night is the compressor and is normal.
`

async function library() {
  const client = server.client()
  const oven = await indexed(client, 'oven.md', OVEN, {
    tags: { product: 'oven', kbId: 'kb_a' },
    metadata: { title: 'Oven manual', url: 'https://example.com/oven' },
  })
  const fridge = await indexed(client, 'fridge.md', FRIDGE, { tags: { product: 'fridge', kbId: 'kb_a' } })
  return { client, oven, fridge }
}

test('the best passage answers, with its file, score and meta', async () => {
  const { client, oven, fridge } = await library()
  const { passages } = await client.searchFiles({ query: 'how do I clean the glass of the oven door?', contextDepth: 0 })
  const [best] = passages
  assert.match(best.content, /warm water and a drop of vinegar/)
  assert.deepEqual(best.file.metadata, { title: 'Oven manual', url: 'https://example.com/oven' })
  assert.deepEqual(best.file.tags, { product: 'oven', kbId: 'kb_a' })
  assert.deepEqual([best.file.id, best.file.key, best.file.contentType], [oven.id, 'oven.md', 'text/markdown'])
  assert.equal(best.file.createdAt, oven.createdAt)
  assert.equal(best.meta.type, 'chunk')
  assert.equal(best.meta.subtype, 'paragraph')
  assert.equal(typeof best.meta.position, 'number')
  assert.equal(best.context, undefined)
  const scores = passages.map((passage) => passage.score)
  assert.deepEqual(scores, [...scores].sort((a, b) => b - a), 'best first')
  assert.ok(scores.every((score) => score >= 0 && score <= 1), scores.join())

  const cold = (await client.searchFiles({ query: 'at which temperature should milk be kept cold' })).passages[0]
  assert.equal(cold.file.id, fridge.id)
  const exact = (await client.searchFiles({ query: 'E7', contextDepth: 0 })).passages[0]
  assert.match(exact.content, /Code E7 means that the fan is blocked/)
})

test('limit, tags and an empty result', async () => {
  const { client, fridge } = await library()
  assert.equal((await client.searchFiles({ query: 'manual', limit: 1 })).passages.length, 1)
  const only = (await client.searchFiles({ query: 'oven door', tags: { product: 'fridge' } })).passages
  assert.ok(only.length > 0)
  assert.ok(only.every((passage) => passage.file.id === fridge.id))
  assert.deepEqual(await client.searchFiles({ query: 'oven', tags: { product: 'sofa' } }), { passages: [] })
  const both = (await client.searchFiles({ query: 'manual', tags: { product: ['oven', 'fridge'] } })).passages
  assert.equal(new Set(both.map((passage) => passage.file.key)).size, 2)
  const not = (await client.searchFiles({ query: 'manual', tags: { product: { not: 'oven' } } })).passages
  assert.ok(not.length > 0 && not.every((passage) => passage.file.key === 'fridge.md'))
  assert.deepEqual(await server.client(newBot()).searchFiles({ query: 'oven' }), { passages: [] })
})

test('filters see tags changed after indexing', async () => {
  const { client } = await library()
  await client.updateFileMetadata({ id: 'oven.md', tags: { product: 'stove' }, metadata: { title: 'Stove' } })
  assert.deepEqual((await client.searchFiles({ query: 'timer', tags: { product: 'oven' } })).passages, [])
  const [hit] = (await client.searchFiles({ query: 'timer', tags: { product: 'stove' } })).passages
  assert.equal(hit.file.key, 'oven.md')
  assert.equal(hit.file.metadata.title, 'Stove')
})

test('context, breadcrumb and consolidation', async () => {
  const { client } = await library()
  const query = 'set the timer with the left knob'
  const bare = (await client.searchFiles({ query, contextDepth: 0 })).passages[0].content
  const wide = (await client.searchFiles({ query, contextDepth: 1 })).passages[0].content
  const usual = (await client.searchFiles({ query })).passages[0].content
  assert.ok(wide.length > bare.length, 'neighbours are added')
  assert.equal(usual, wide, 'the default depth is 1')
  const crumbs = (await client.searchFiles({ query, contextDepth: 0, includeBreadcrumb: true })).passages[0].content
  assert.match(crumbs, /Oven manual[\s\S]*Timer[\s\S]*left knob/)

  const [hit] = (await client.searchFiles({ query, contextDepth: 1, withContext: true, includeBreadcrumb: true })).passages
  const kinds = hit.context.map((part) => part.type)
  assert.equal(kinds.filter((kind) => kind === 'current').length, 1)
  const current = hit.context.find((part) => part.type === 'current')
  assert.match(current.text, /left knob/)
  assert.match(current.id, UUID)
  for (const part of hit.context) {
    if (part.type === 'preceding') assert.ok(part.offset < 0)
    if (part.type === 'subsequent') assert.ok(part.offset > 0)
    if (part.type === 'breadcrumb') assert.deepEqual([part.id, part.offset], [undefined, undefined])
  }

  const whole = (await client.searchFiles({ query: 'oven fridge manual', consolidate: true })).passages
  assert.equal(new Set(whole.map((passage) => passage.file.id)).size, whole.length, 'one per file')
  assert.ok(whole.every((passage) => passage.meta.type === 'consolidated'))
  assert.ok(whole.every((passage) => passage.context === undefined))
})

test('bad searches are refused with what to change', async () => {
  const client = server.client()
  const refused = async (input) => {
    const error = await thrown(client.searchFiles(input))
    assert.ok(error instanceof InvalidQueryError, `${error.type}: ${error.message}`)
    return error.message
  }
  assert.match(await refused({ query: 'x'.repeat(2049) }), /2048/)
  assert.match(await refused({ query: 'x', contextDepth: 11 }), /contextDepth/)
  assert.match(await refused({ query: 'x', limit: 0 }), /limit/)
  const missing = await server.fetch('GET', '/v1/files/search', { botId: newBot() })
  assert.deepEqual([missing.status, missing.json.type], [400, 'InvalidQuery'])
  assert.match(missing.json.message, /query/)
  assert.deepEqual(await client.searchFiles({ query: 'é'.repeat(1024) }), { passages: [] })
})

test('passages of a file come in order, page by page', async () => {
  const { client, oven } = await library()
  const { passages, meta } = await client.listFilePassages({ id: 'oven.md' })
  assert.equal(meta.nextToken, undefined)
  assert.ok(passages.length >= 3)
  assert.deepEqual(passages.map((passage) => passage.meta.position), [...passages.keys()])
  assert.ok(passages.every((passage) => UUID.test(passage.id) && passage.meta.type === 'chunk'))
  const first = await client.listFilePassages({ id: oven.id, limit: 2 })
  assert.equal(first.passages.length, 2)
  const rest = await client.listFilePassages({ id: oven.id, limit: 200, nextToken: first.meta.nextToken })
  assert.deepEqual([...first.passages, ...rest.passages], passages)
  assert.ok((await thrown(client.listFilePassages({ id: 'nothing' }))) instanceof ResourceNotFoundError)
})

test('passages set by hand are searched as given', async () => {
  const { client } = await library()
  const given = [
    { content: 'Warranty', type: 'title' },
    { content: 'The warranty lasts eleven years.', pageNumber: 3 },
    { content: 'print("hi")', type: 'code', pageNumber: 4 },
  ]
  assert.deepEqual(await client.setFilePassages({ id: 'oven.md', passages: given }), {})
  await settled(client, 'oven.md')
  const { passages } = await client.listFilePassages({ id: 'oven.md' })
  assert.deepEqual(passages.map((passage) => passage.content), given.map((passage) => passage.content))
  assert.deepEqual(passages.map((passage) => passage.meta.subtype), ['title', 'paragraph', 'code'])
  assert.deepEqual(passages.map((passage) => passage.meta.pageNumber), [undefined, 3, 4])
  const [hit] = (await client.searchFiles({ query: 'how many years of warranty', contextDepth: 0 })).passages
  assert.equal(hit.content, 'The warranty lasts eleven years.')
  const gone = (await client.searchFiles({ query: 'steel wool', tags: { product: 'oven' }, contextDepth: 0 })).passages
  assert.ok(gone.every((passage) => !passage.content.includes('steel wool')))
  const bad = await thrown(client.setFilePassages({ id: 'oven.md', passages: [{ content: 'x', type: 'poem' }] }))
  assert.ok(bad instanceof InvalidPayloadError)
})

test('deleted files vanish from search at once', async () => {
  const { client } = await library()
  await client.deleteFile({ id: 'oven.md' })
  const { passages } = await client.searchFiles({ query: 'oven door glass' })
  assert.ok(passages.every((passage) => passage.file.key === 'fridge.md'))
})

test('while a file is replaced, no answer mixes its old and new content', { timeout: 180_000 }, async () => {
  const client = server.client()
  const generation = (word) =>
    Array.from({ length: 12 }, (_, i) => `## Part ${i}\n\nThe ${word} edition of the kettle handbook, part ${i}.\n`).join('\n')
  await indexed(client, 'handbook.md', generation('amber'))
  const seen = new Set()
  let searching = true
  const searcher = (async () => {
    while (searching) {
      const { passages } = await client.searchFiles({ query: 'edition of the kettle handbook', contextDepth: 2, limit: 50 })
      const text = passages.map((passage) => passage.content).join('\n')
      const words = ['amber', 'violet'].filter((word) => text.includes(word))
      assert.ok(words.length <= 1, 'one answer held both generations')
      if (words.length) seen.add(words[0])
    }
  })()
  const writer = (async () => {
    for (const word of ['violet', 'amber', 'violet']) {
      await indexed(client, 'handbook.md', generation(word))
    }
    await until('the last generation to be seen', () => seen.has('violet'))
  })()
  await Promise.race([writer, searcher]).finally(() => (searching = false))
  await Promise.all([writer, searcher])
  const { passages } = await client.searchFiles({ query: 'edition of the kettle handbook', limit: 50, contextDepth: 0 })
  assert.ok(passages.length > 0)
  assert.ok(passages.every((passage) => passage.content.includes('violet')))
})
