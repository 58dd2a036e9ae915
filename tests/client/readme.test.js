// The examples of the README run as they are printed there, one after the other, and give what they say.
'use strict'

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const test = require('node:test')
const { serve, newBot } = require('./harness')

const server = serve(test)

const README = fs.readFileSync(path.resolve(__dirname, '..', '..', 'README.md'), 'utf8')

/** The JavaScript blocks under a heading, joined: they share their variables. */
function examples(heading) {
  const section = README.split(/^## /m).find((part) => part.startsWith(`${heading}\n`))
  assert.ok(section, `the README has a section "${heading}"`)
  const blocks = [...section.matchAll(/^```js\n([\s\S]*?)^```/gm)].map((match) => match[1])
  assert.ok(blocks.length > 0, `the section "${heading}" has examples`)
  return blocks.join('\n')
}

/**
 * Runs the source with `names` as variables. A line `call() // → value` must give that value, given as JSON or
 * JavaScript literal; `…` at its end means "begins with these".
 */
async function run(source, names) {
  const checked = source.replace(/^(?:const (\w+) = )?(.+?) {2,}\/\/ → (.+)$/gm, (_, name, call, value) => {
    const expected = value.trim()
    const result = name ? `const ${name} = ${call};` : ''
    return `${result} expect(${JSON.stringify(call)}, ${name ?? call}, ${JSON.stringify(expected)}, () => (${expected.replace(/…$/, '')}))`
  })
  let count = 0
  const expect = (call, actual, text, expected) => {
    count += 1
    assert.deepEqual(JSON.parse(JSON.stringify(actual)), expected(), `${call} → ${text}`)
  }
  const AsyncFunction = (async () => {}).constructor
  const parameters = { ...names, expect }
  await new AsyncFunction(...Object.keys(parameters), checked)(...Object.values(parameters))
  return count
}

test('the ten lines work', async () => {
  const source = examples('Ten lines')
    .replace("'http://127.0.0.1:7700'", JSON.stringify(server.url))
    .replace('process.env.QUARRY_ADMIN_TOKEN', JSON.stringify(server.token))
  const seen = {}
  await run(`${source}\nObject.assign(seen, { passages, rows })`, { require, process, setTimeout, seen })
  assert.ok(seen.passages[0].content.includes('We open at nine.'))
  assert.deepEqual(
    seen.rows.map((row) => row.sku),
    ['c1']
  )
})

test('the tables examples give what they say', async () => {
  const botId = newBot()
  const client = server.client(botId)
  const post = async (route, body) => (await server.fetch('POST', route, { botId, body })).json
  const checked = await run(examples('Tables'), { client, post, setTimeout })
  assert.ok(checked >= 8, `${checked} values are checked`)
})
