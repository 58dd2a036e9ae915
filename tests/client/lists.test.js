// The client's list helpers walk every page by themselves.
'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { serve, indexed } = require('./harness')

const server = serve(test)

test('files, tags, values and knowledge bases are collected over all pages', async () => {
  const client = server.client()
  for (let i = 0; i < 45; i++) {
    await client.upsertFile({ key: `k${i}`, size: 1, tags: { group: i % 3 ? 'b' : 'a', [`t${i}`]: `v${i}` } })
  }
  const files = await client.list.files({}).collect()
  assert.equal(files.length, 45)
  assert.equal(new Set(files.map((file) => file.id)).size, 45)
  const tagged = await client.list.files({ tags: { group: 'a' }, pageSize: 4 }).collect()
  assert.equal(tagged.length, 15, 'the filter is kept on every page')
  assert.ok(tagged.every((file) => file.tags.group === 'a'))
  assert.equal((await client.list.files({}).collect({ limit: 7 })).length, 7)

  const tags = await client.list.fileTags({}).collect()
  assert.equal(tags.length, 46)
  const values = await client.list.fileTagValues({ tag: 'group' }).collect()
  assert.deepEqual(values.sort(), ['a', 'b'])

  for (let i = 0; i < 22; i++) await client.createKnowledgeBase({ name: `kb ${i}` })
  const names = []
  for await (const kb of client.list.knowledgeBases({})) names.push(kb.name)
  assert.equal(new Set(names).size, 22)
})

test('the passages of a long file are collected in order', async () => {
  const client = server.client()
  const text = Array.from({ length: 60 }, (_, i) => `## Chapter ${i}\n\nChapter ${i} tells how to repair part number ${1000 + i} of the machine.\n`)
  await indexed(client, 'long.md', `# Repairs\n\n${text.join('\n')}`)
  const passages = await client.list.filePassages({ id: 'long.md' }).collect()
  assert.deepEqual(passages.map((passage) => passage.meta.position), [...passages.keys()])
  const whole = passages.map((passage) => passage.content).join('\n')
  for (let i = 0; i < 60; i++) assert.ok(whole.includes(`part number ${1000 + i}`), `chapter ${i}`)
  assert.equal(new Set(passages.map((passage) => passage.id)).size, passages.length)
})

test('files written or removed between two pages are not shown twice', async () => {
  const client = server.client()
  for (let i = 0; i < 12; i++) await client.upsertFile({ key: `k${String(i).padStart(2, '0')}`, size: 1 })
  const order = { sortField: 'key', sortDirection: 'asc', pageSize: 5 }
  const first = await client.listFiles(order)
  await client.upsertFile({ key: 'k00a', size: 1 })
  await client.deleteFile({ id: 'k01' })
  const second = await client.listFiles({ ...order, nextToken: first.meta.nextToken })
  const third = await client.listFiles({ ...order, nextToken: second.meta.nextToken })
  const keys = [...first.files, ...second.files, ...third.files].map((file) => file.key)
  assert.equal(new Set(keys).size, keys.length)
  for (let i = 2; i < 12; i++) assert.ok(keys.includes(`k${String(i).padStart(2, '0')}`), `k${i}`)
})
