// Answers with citations: our own endpoint, by plain HTTP.
'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { serve, newBot, indexed } = require('./harness')

const server = serve(test)

const WARRANTY = `# Warranty of the Norda washing machine

## Duration

The warranty of the Norda washing machine lasts five years from the day of purchase. Keep the receipt.

## What is not covered 😀

Damage by frost is not covered. Filters and hoses are not covered either.
`
const HELP = `# Help with the Norda washing machine

## The drum does not turn

If the drum does not turn, close the door firmly and press the start button for three seconds.

## Water on the floor

Water on the floor comes from a loose hose. Tighten the hose clamp with a screwdriver.
`

async function ask(bot, body) {
  const answer = await server.fetch('POST', '/v1/quarry/answer', { botId: bot, body })
  assert.equal(answer.status, 200, answer.text)
  return answer.json
}

async function extractedText(bot, id) {
  const { status, json } = await server.fetch('GET', `/v1/quarry/files/${encodeURIComponent(id)}/text`, { botId: bot })
  assert.equal(status, 200)
  return [...json.text]
}

async function library() {
  const bot = newBot()
  const client = server.client(bot)
  const { knowledgeBase } = await client.createKnowledgeBase({ name: 'Washing' })
  const tags = { kbId: knowledgeBase.id, kbName: 'Washing' }
  const warranty = await indexed(client, 'warranty.md', WARRANTY, { tags, metadata: { title: 'Warranty' } })
  const help = await indexed(client, 'help.md', HELP, { tags: { kbId: 'kb_other' } })
  return { bot, client, knowledgeBase, warranty, help }
}

test('an answer quotes its sources exactly', async () => {
  const { bot, warranty } = await library()
  const result = await ask(bot, { question: 'How many years of warranty does the washing machine have?' })
  assert.equal(result.responded, true)
  assert.match(result.answer, /five years/)
  assert.match(result.answer, /【\d+】/)
  assert.ok(result.confidence > 0 && result.confidence <= 1)
  assert.ok(result.citations.length >= 1)
  const [first] = result.citations
  assert.equal(first.token, '【1】')
  assert.equal(first.file.id, warranty.id)
  assert.equal(first.file.key, 'warranty.md')
  assert.deepEqual(first.file.metadata, { title: 'Warranty' })
  assert.match(first.quote, /five years/)
  for (const citation of result.citations) {
    assert.ok(result.answer.includes(citation.token), `${citation.token} stands in the answer`)
    const text = await extractedText(bot, citation.file.id)
    assert.equal(text.slice(citation.start, citation.end).join(''), citation.quote, 'quote = slice in characters')
  }
  assert.ok(result.passages.length >= 1)
  assert.equal(typeof result.passages[0].score, 'number')
  assert.ok(result.timing && result.tokens)
})

test('characters are counted, not bytes: quotes after an emoji still fit', async () => {
  const { bot } = await library()
  const result = await ask(bot, { question: 'Is damage by frost covered by the warranty?' })
  assert.equal(result.responded, true)
  const frost = result.citations.find((citation) => citation.quote.includes('frost'))
  assert.ok(frost, JSON.stringify(result.citations))
  const text = await extractedText(bot, frost.file.id)
  assert.equal(text.slice(frost.start, frost.end).join(''), frost.quote)
})

test('no good source, no answer', async () => {
  const { bot } = await library()
  for (const question of ['Who won the football world cup in 1998?', 'What is the capital of Mongolia?']) {
    const result = await ask(bot, { question })
    assert.deepEqual([result.responded, result.answer, result.citations], [false, '', []], question)
    assert.ok(result.confidence >= 0 && result.confidence < 1)
  }
  const empty = await ask(newBot(), { question: 'How long is the warranty?' })
  assert.deepEqual([empty.responded, empty.answer, empty.citations, empty.passages], [false, '', [], []])
})

test('knowledge bases by id or name and tags narrow the sources', async () => {
  const { bot, knowledgeBase } = await library()
  const question = 'What do I do when the drum does not turn?'
  const all = await ask(bot, { question })
  assert.equal(all.citations[0].file.key, 'help.md')
  for (const knowledgeBases of [[knowledgeBase.id], ['Washing']]) {
    const narrow = await ask(bot, { question, knowledgeBases })
    assert.ok(narrow.passages.every((passage) => passage.file.key === 'warranty.md'))
    assert.ok(narrow.citations.every((citation) => citation.file.key === 'warranty.md'))
  }
  const tagged = await ask(bot, { question, tags: { kbId: 'kb_other' } })
  assert.ok(tagged.passages.length > 0 && tagged.passages.every((passage) => passage.file.key === 'help.md'))
})

test('bad questions say what to change', async () => {
  const bot = newBot()
  const bad = [
    [{}, /question/],
    [{ question: '' }, /question|query/],
    [{ question: 5 }, /question/],
    [{ question: 'x', mode: 'magic' }, /mode/],
    [{ question: 'x', limit: 0 }, /limit/],
    [{ question: 'x', knowledgeBases: 'all' }, /knowledgeBases/],
    [{ question: 'x', knowledgeBases: [] }, /knowledgeBases must not be empty/],
    [{ question: 'x', knowledge_bases: ['help'] }, /write knowledgeBases/],
    [{ question: 'x', tags: { kbName: { $ne: 'help' } } }, /tags.kbName must hold one of in, not, exists/],
    [{ question: 'x', tags: { kbName: { in: null } } }, /tags.kbName must hold/],
    [{ question: 'x', tags: { kbName: null } }, /tags.kbName must not be null/],
  ]
  for (const [body, about] of bad) {
    const { status, json } = await server.fetch('POST', '/v1/quarry/answer', { botId: bot, body })
    assert.equal(status, 400, JSON.stringify(body))
    assert.match(json.message, about)
  }
  const { status } = await server.fetch('POST', '/v1/quarry/answer', { botId: bot, token: 'no', body: { question: 'x' } })
  assert.equal(status, 401)
  const lost = await server.fetch('GET', '/v1/quarry/files/none/text', { botId: bot })
  assert.equal(lost.status, 404)
})

test('status counts what the bot holds and a recount agrees', async () => {
  const { bot, client } = await library()
  await client.createTable({ name: 'aTable', schema: { a: { type: 'string' } }, factor: 3 })
  await client.createTableRows({ table: 'aTable', rows: [{ a: '1' }, { a: '2' }] })
  const { json } = await server.fetch('GET', '/v1/quarry/status?recount=true', { botId: bot })
  assert.equal(json.botId, bot)
  assert.deepEqual([json.counts.files, json.counts.indexedFiles, json.counts.tables, json.counts.knowledgeBases], [2, 2, 1, 1])
  assert.equal(json.usage.tableRows.used, 6)
  assert.equal(json.usage.storageBytes.used, Buffer.byteLength(WARRANTY) + Buffer.byteLength(HELP))
  assert.equal(json.usage.vectors.used, json.counts.passages)
  assert.deepEqual(json.recount, {
    vectors: json.usage.vectors.used,
    tableRows: json.usage.tableRows.used,
    storageBytes: json.usage.storageBytes.used,
  })
  for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json']) {
    assert.equal((await server.fetch('GET', path, { token: '' })).status, 200, path)
  }
})
