// Knowledge bases: thin objects; files belong to one by their kbId tag.
'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { InvalidPayloadError, ResourceNotFoundError } = require('@botpress/client')
const { serve, newBot, indexed, thrown } = require('./harness')

const server = serve(test)

test('create, list, update, delete', async () => {
  const client = server.client()
  const { knowledgeBase } = await client.createKnowledgeBase({ name: 'Manuals', tags: { team: 'docs' } })
  assert.match(knowledgeBase.id, /^kb_[0-9A-Z]{26}$/)
  assert.equal(knowledgeBase.name, 'Manuals')
  assert.deepEqual(knowledgeBase.tags, { team: 'docs' })
  const plain = (await client.createKnowledgeBase({ name: 'Plain' })).knowledgeBase
  assert.deepEqual(plain.tags, {})

  const { knowledgeBases, meta } = await client.listKnowledgeBases({})
  assert.deepEqual(knowledgeBases.map((kb) => kb.name).sort(), ['Manuals', 'Plain'])
  assert.ok(knowledgeBases.every((kb) => !Number.isNaN(Date.parse(kb.createdAt))))
  assert.equal(meta.nextToken, undefined)

  const { knowledgeBase: renamed } = await client.updateKnowledgeBase({
    id: knowledgeBase.id,
    name: 'Handbooks',
    tags: { team: null, lang: 'en', absent: null },
  })
  assert.deepEqual([renamed.id, renamed.name, renamed.tags], [knowledgeBase.id, 'Handbooks', { lang: 'en' }])
  assert.deepEqual(await client.deleteKnowledgeBase({ id: knowledgeBase.id }), {})
  assert.deepEqual((await client.listKnowledgeBases({})).knowledgeBases.map((kb) => kb.id), [plain.id])
  const gone = await thrown(client.updateKnowledgeBase({ id: knowledgeBase.id, name: 'x' }))
  assert.ok(gone instanceof ResourceNotFoundError)
  assert.ok((await thrown(client.deleteKnowledgeBase({ id: 'kb_none' }))) instanceof ResourceNotFoundError)
})

test('lists filter by tags and page', async () => {
  const client = server.client()
  for (let i = 0; i < 23; i++) {
    await client.createKnowledgeBase({ name: `kb ${i}`, tags: { half: i % 2 ? 'odd' : 'even' } })
  }
  assert.equal((await client.listKnowledgeBases({ tags: { half: 'odd' } })).knowledgeBases.length, 11)
  assert.equal((await client.listKnowledgeBases({ tags: { half: { not: 'odd' } }, pageSize: 100 })).knowledgeBases.length, 12)
  const first = await client.listKnowledgeBases({})
  assert.equal(first.knowledgeBases.length, 20)
  const rest = await client.listKnowledgeBases({ nextToken: first.meta.nextToken })
  assert.equal(rest.knowledgeBases.length, 3)
  const names = [...first.knowledgeBases, ...rest.knowledgeBases].map((kb) => kb.name)
  assert.equal(new Set(names).size, 23)
})

test('a name is required and tags are texts', async () => {
  const bot = newBot()
  const client = server.client(bot)
  for (const body of [{}, { name: 7 }, { name: '' }, { name: 'x', tags: { a: 1 } }, { name: 'x', tags: { a: 'v'.repeat(1001) } }]) {
    assert.ok((await thrown(client.createKnowledgeBase(body))) instanceof InvalidPayloadError, JSON.stringify(body))
  }
  assert.equal((await client.createKnowledgeBase({ name: 'same' })).knowledgeBase.name, 'same')
  assert.equal((await client.createKnowledgeBase({ name: 'same' })).knowledgeBase.name, 'same', 'names may repeat')
})

test('membership is the kbId tag, and deleting the base keeps the files', async () => {
  const client = server.client()
  const a = (await client.createKnowledgeBase({ name: 'A' })).knowledgeBase
  const b = (await client.createKnowledgeBase({ name: 'B' })).knowledgeBase
  await indexed(client, 'a.txt', 'The pump of the washing machine is behind the flap.', { tags: { kbId: a.id } })
  await indexed(client, 'b.txt', 'The pump of the dishwasher is under the filter.', { tags: { kbId: b.id } })
  const find = async (kbId) =>
    (await client.searchFiles({ query: 'where is the pump', tags: { kbId } })).passages.map((passage) => passage.file.key)
  assert.deepEqual(await find(a.id), ['a.txt'])
  assert.deepEqual(await find(b.id), ['b.txt'])
  assert.deepEqual((await find([a.id, b.id])).sort(), ['a.txt', 'b.txt'])
  await client.deleteKnowledgeBase({ id: a.id })
  assert.equal((await client.getFile({ id: 'a.txt' })).file.status, 'indexing_completed')
  assert.deepEqual((await client.listFiles({ tags: { kbId: a.id } })).files.map((file) => file.key), ['a.txt'])
})
