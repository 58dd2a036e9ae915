// Jobs of tables through the official client: export, import back, copies, large deletes, cancel.
'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const zlib = require('node:zlib')
const { AlreadyExistsError, ReferenceNotFoundError, ResourceNotFoundError, QuotaExceededError } = require('@botpress/client')
const { serve, until, thrown } = require('./harness')

const server = serve(test)

const FINAL = ['completed', 'failed']

/** Polls the jobs of a table until this one has ended. */
async function ended(client, table, job) {
  return until(`job ${job.id} to end`, async () => {
    const { jobs } = await client.getTableJobs({ table })
    return jobs.find(({ id, status }) => id === job.id && FINAL.includes(status))
  })
}

const schema = {
  type: 'object',
  required: ['name'],
  properties: {
    name: { type: 'string' },
    age: { type: 'number' },
    active: { type: 'boolean' },
    hired: { type: 'string', format: 'date-time' },
    address: { type: 'object' },
    tags: { type: 'array' },
    anything: { 'x-zui': {} },
  },
}

const people = [
  { name: 'Ada, "the first"', age: 36.5, active: true, hired: '2024-01-01', address: { city: 'London', zip: [1, null] } },
  { name: 'line\r\nbreak', age: -1e-7, active: false, hired: '2024-05-05T10:00:00+02:00', tags: ['a', 'b,c', ''] },
  { name: '', tags: [], anything: 'text' },
  { name: '007', anything: { deep: [true, { x: 'ü' }] } },
  { name: 'null', age: 9007199254740991, anything: 1.5 },
]

/** Rows without what an import makes anew. */
const plain = (rows) => rows.map(({ createdAt, updatedAt, ...row }) => row)

async function filled(client, name = 'peopleTable') {
  await client.createTable({ name, schema, tags: { team: 'a' } })
  const { rows, errors } = await client.createTableRows({ table: name, rows: people })
  assert.equal(errors, undefined)
  return rows
}

for (const format of ['csv', 'json']) {
  for (const compress of [true, false]) {
    test(`a table exported as ${format}${compress ? ', gzipped,' : ''} is imported back the same`, async () => {
      const client = server.client()
      const rows = await filled(client)
      const { job } = await client.exportTable({ table: 'peopleTable', format, compress })
      assert.equal(job.type, 'export')
      assert.equal(job.inputFileId, null)
      const done = await ended(client, 'peopleTable', job)
      assert.deepEqual([done.status, done.progress], ['completed', 100])

      const { file } = await client.getFile({ id: done.outputFileId })
      assert.equal(file.key, `exports/peopleTable/${job.id}.${format}${compress ? '.gz' : ''}`)
      assert.deepEqual([file.index, file.accessPolicies, file.tags.system], [false, [], 'true'])
      const bytes = Buffer.from(await (await fetch(file.url)).arrayBuffer())
      assert.equal(bytes.length, file.size)
      const text = (compress ? zlib.gunzipSync(bytes) : bytes).toString('utf8')
      if (format === 'json') {
        const { table } = JSON.parse(text)
        assert.deepEqual([table.name, table.tags], ['peopleTable', { team: 'a' }])
      }

      await client.createTable({ name: 'againTable', schema })
      const imported = await client.importTable({ table: 'againTable', fileId: file.id })
      assert.deepEqual([imported.job.type, imported.job.inputFileId], ['import', file.id])
      assert.equal((await ended(client, 'againTable', imported.job)).status, 'completed')
      const found = await client.findTableRows({ table: 'againTable' })
      assert.deepEqual(plain(found.rows), plain(rows))
    })
  }
}

test('export answers csv, gzipped, when nothing is said', async () => {
  const client = server.client()
  await filled(client)
  const done = await ended(client, 'peopleTable', (await client.exportTable({ table: 'peopleTable' })).job)
  assert.match((await client.getFile({ id: done.outputFileId })).file.key, /\.csv\.gz$/)
  const wrong = await server.fetch('GET', '/v1/tables/peopleTable/export?format=xlsx', { botId: client.config.headers['x-bot-id'] })
  assert.deepEqual([wrong.status, wrong.json.type], [400, 'InvalidQuery'])
})

test('an import adds rows, names those it refuses and ignores unknown columns', async () => {
  const client = server.client()
  const botId = client.config.headers['x-bot-id']
  await filled(client)
  const content = 'name;age;shoe\nBob;40;43\nEve;old;38\n;5;\n'
  const { file } = await client.uploadFile({ key: 'more.csv', content })
  const { job } = await client.importTable({ table: 'peopleTable', fileId: 'more.csv' })
  assert.equal(job.inputFileId, file.id)
  assert.equal((await ended(client, 'peopleTable', job)).status, 'completed')
  assert.equal((await client.getTable({ table: 'peopleTable' })).rows, people.length + 1)
  const { rows } = await client.findTableRows({ table: 'peopleTable', filter: { name: 'Bob' } })
  assert.equal(rows[0].age, 40)
  const { json } = await server.fetch('GET', `/v1/quarry/tables/peopleTable/jobs/${job.id}`, { botId })
  assert.deepEqual([json.job.rows, json.job.refused, json.job.total], [1, 2, 3])
  assert.deepEqual(json.job.refusedRows.map(({ line, column }) => [line, column]), [[3, 'age'], [4, 'name']])
  assert.match(json.job.warnings[0], /shoe/)

  const missing = await thrown(client.importTable({ table: 'peopleTable', fileId: 'file_none' }))
  assert.ok(missing instanceof ReferenceNotFoundError, String(missing))
  const foreign = server.client()
  await filled(foreign)
  assert.ok((await thrown(foreign.importTable({ table: 'peopleTable', fileId: file.id }))) instanceof ReferenceNotFoundError)
  assert.ok((await thrown(client.importTable({ table: 'noneTable', fileId: file.id }))) instanceof ResourceNotFoundError)
})

test('jobs come youngest first and all rows failing fails the job', async () => {
  const client = server.client()
  await filled(client)
  await client.uploadFile({ key: 'bad.csv', content: 'age\nx\ny\n' })
  const first = (await client.exportTable({ table: 'peopleTable' })).job
  await ended(client, 'peopleTable', first)
  const second = (await client.importTable({ table: 'peopleTable', fileId: 'bad.csv' })).job
  const failed = await ended(client, 'peopleTable', second)
  assert.equal(failed.status, 'failed')
  assert.match(failed.error, /none of the 2 rows/)
  const { jobs } = await client.getTableJobs({ table: 'peopleTable' })
  assert.deepEqual(jobs.map(({ id }) => id), [second.id, first.id])
  const [job] = jobs
  assert.deepEqual(
    ['id', 'botId', 'tableId', 'type', 'status', 'progress', 'inputFileId', 'outputFileId', 'createdAt', 'updatedAt'].filter(
      (name) => !(name in job)
    ),
    []
  )
  assert.equal(job.botId, client.config.headers['x-bot-id'])
  assert.ok(!Number.isNaN(Date.parse(job.updatedAt)))
})

test('a table is duplicated with and without rows', async () => {
  const client = server.client()
  const rows = await filled(client)
  const { table, rows: count, job } = await client.duplicateTable({ sourceTableId: 'peopleTable' })
  assert.deepEqual([table.name, count, table.tags], ['people_copyTable', people.length, { team: 'a' }])
  await ended(client, 'peopleTable', job)
  const found = await client.findTableRows({ table: 'people_copyTable' })
  assert.deepEqual(found.rows, (await client.findTableRows({ table: 'peopleTable' })).rows)
  assert.deepEqual(plain(found.rows), plain(rows))

  const id = (await client.getTable({ table: 'peopleTable' })).table.id
  const empty = await client.duplicateTable({ sourceTableId: id, tableName: 'emptyTable', schemaOnly: true, factor: 3 })
  assert.deepEqual([empty.table.factor, empty.job], [3, undefined])
  assert.equal((await client.getTable({ table: 'emptyTable' })).rows, 0)
  assert.ok((await thrown(client.duplicateTable({ sourceTableId: id, tableName: 'emptyTable' }))) instanceof AlreadyExistsError)
  const huge = thrown(client.duplicateTable({ sourceTableId: 'noneTable' }))
  assert.ok((await huge) instanceof ResourceNotFoundError)
})

test('a large filtered delete is a job whose rows are gone when it is answered', async () => {
  const client = server.client()
  const rows = 25_000
  await client.createTable({ name: 'manyTable', schema: { n: { type: 'number' } } })
  const content = `n\n${Array.from({ length: rows }, (_, n) => n).join('\n')}\n`
  await client.uploadFile({ key: 'many.csv', content })
  const { job } = await client.importTable({ table: 'manyTable', fileId: 'many.csv' })
  assert.equal((await ended(client, 'manyTable', job)).status, 'completed')
  const deleted = await client.deleteTableRows({ table: 'manyTable', filter: { n: { $gte: 10 } } })
  await ended(client, 'manyTable', deleted.job)
  assert.equal((await client.getTable({ table: 'manyTable' })).rows, 10)
  const few = await client.deleteTableRows({ table: 'manyTable', filter: { n: { $lt: 4 } } })
  assert.deepEqual([few.deletedRows, few.job], [4, undefined])
})

test('a cancelled import leaves nothing, and quota refusals come before the work', async () => {
  const client = server.client()
  const botId = client.config.headers['x-bot-id']
  await client.createTable({ name: 'manyTable', schema: { n: { type: 'number' } }, factor: 30 })
  const content = `n\n${Array.from({ length: 60_000 }, (_, n) => n).join('\n')}\n`
  await client.uploadFile({ key: 'many.csv', content })
  const { job } = await client.importTable({ table: 'manyTable', fileId: 'many.csv' })
  const { json } = await server.fetch('DELETE', `/v1/quarry/tables/manyTable/jobs/${job.id}`, { botId })
  assert.equal(json.job.error, 'cancelled')
  const done = await ended(client, 'manyTable', job)
  assert.deepEqual([done.status, done.error], ['failed', 'cancelled'])
  assert.equal((await client.getTable({ table: 'manyTable' })).rows, 0)
  const { json: status } = await server.fetch('GET', '/v1/quarry/status?recount=true', { botId })
  assert.deepEqual([status.usage.tableRows.used, status.recount.tableRows], [0, 0])

  // 60,000 rows of factor 30 are more than the quota of a million.
  const again = await client.importTable({ table: 'manyTable', fileId: 'many.csv' })
  const full = await ended(client, 'manyTable', again.job)
  assert.equal(full.status, 'failed')
  assert.match(full.error, /1000000/)
  assert.equal((await client.getTable({ table: 'manyTable' })).rows, 0)

  await client.createTable({ name: 'smallTable', schema: { n: { type: 'number' } } })
  const small = await client.importTable({ table: 'smallTable', fileId: 'many.csv' })
  assert.equal((await ended(client, 'smallTable', small.job)).status, 'completed')
  const refused = await thrown(client.duplicateTable({ sourceTableId: 'smallTable', factor: 30 }))
  assert.ok(refused instanceof QuotaExceededError, String(refused))
})
