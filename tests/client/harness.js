// Starts the real binary and hands out clients. Every test takes a bot id of its own, so one server
// serves a whole file; nothing here sleeps for a fixed time: waits poll a condition up to a deadline.
'use strict'

const { spawn } = require('node:child_process')
const { randomBytes } = require('node:crypto')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { Client } = require('@botpress/client')

// The client honours proxy variables; the server is on this machine.
process.env.NO_PROXY = process.env.no_proxy = '127.0.0.1,localhost'

const ROOT = path.resolve(__dirname, '..', '..')
const READY = /^quarry ready on (http:\/\/\S+)$/m
const START_MS = 60_000
const STOP_MS = 20_000
const WAIT_MS = 90_000

/** The binary under test: QUARRY_BIN, else the debug build, else the release build. */
function binary() {
  const built = ['debug', 'release'].map((profile) => path.join(ROOT, 'target', profile, 'quarry'))
  const found = [process.env.QUARRY_BIN, ...built].filter(Boolean).find((file) => fs.existsSync(file))
  if (!found) throw new Error(`no quarry binary: run "cargo build" first (looked at ${built.join(' and ')})`)
  return found
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Repeats `probe` until it returns something truthy; fails with `what` after `ms`. */
async function until(what, probe, ms = WAIT_MS) {
  const deadline = Date.now() + ms
  for (let delay = 10; ; delay = Math.min(delay * 2, 200)) {
    const value = await probe()
    if (value) return value
    if (Date.now() > deadline) throw new Error(`waited ${ms} ms in vain: ${what}`)
    await pause(delay)
  }
}

class Server {
  constructor(env) {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'quarry-client-'))
    this.token = `test-${randomBytes(12).toString('hex')}`
    this.settings = env
    this.stdout = ''
    this.stderr = ''
  }

  /** Starts the process on the same data folder; resolves once it says it is ready. */
  async start() {
    // Only what the process needs: settings of the developer's shell must not change the tests.
    const inherited = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith('QUARRY_') || name === 'QUARRY_PDFIUM_PATH')
    )
    this.stdout = ''
    this.child = spawn(
      binary(),
      ['serve', '--data-dir', path.join(this.folder, 'data'), '--listen', '127.0.0.1:0'],
      {
        cwd: ROOT,
        env: { ...inherited, QUARRY_ADMIN_TOKEN: this.token, ...this.settings },
        stdio: ['ignore', 'pipe', 'pipe'],
      }
    )
    this.exited = new Promise((resolve) => this.child.once('exit', (code, signal) => resolve({ code, signal })))
    this.child.stdout.on('data', (chunk) => (this.stdout += chunk))
    this.child.stderr.on('data', (chunk) => (this.stderr = (this.stderr + chunk).slice(-20_000)))
    let gone = null
    this.exited.then((how) => (gone = how))
    try {
      this.url = await until(
        'the ready line on stdout',
        () => {
          if (gone) throw new Error(`the server ended with ${JSON.stringify(gone)}`)
          return READY.exec(this.stdout)?.[1]
        },
        START_MS
      )
    } catch (error) {
      error.message += `\n--- server stderr ---\n${this.stderr}`
      this.child.kill('SIGKILL')
      throw error
    }
    return this
  }

  /** SIGTERM, and SIGKILL when that is not answered in time. Resolves to {code, signal}. */
  async stop() {
    this.child.kill('SIGTERM')
    const late = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS)
    const how = await this.exited
    clearTimeout(late)
    return how
  }

  async discard() {
    const how = this.child ? await this.stop() : {}
    if (process.exitCode || how.code !== 0) {
      console.error(`server ended with ${JSON.stringify(how)}; last lines of its stderr:\n${this.stderr.slice(-4000)}`)
    }
    fs.rmSync(this.folder, { recursive: true, force: true })
  }

  /** The official client as a bot. */
  client(botId = newBot(), options = {}) {
    return new Client({ apiUrl: this.url, token: this.token, botId, ...options })
  }

  /** A bare request, for our own endpoints and for forms the client never sends. */
  async fetch(method, target, { botId, token = this.token, headers = {}, body } = {}) {
    const url = target.startsWith('http') ? target : this.url + target
    const sent = { ...headers }
    if (token) sent.authorization = `Bearer ${token}`
    if (botId) sent['x-bot-id'] = botId
    const plain = body === undefined || typeof body === 'string' || body instanceof Uint8Array
    if (!plain) sent['content-type'] ??= 'application/json'
    const response = await fetch(url, { method, headers: sent, body: plain ? body : JSON.stringify(body) })
    const text = await response.text()
    let json
    try {
      json = JSON.parse(text)
    } catch {
      json = undefined
    }
    return { status: response.status, headers: response.headers, text, json }
  }
}

/** Starts a server before the tests of a file and ends it after them. */
function serve(hooks, env = {}) {
  const server = new Server(env)
  hooks.before(() => server.start(), { timeout: START_MS + 5_000 })
  hooks.after(() => server.discard(), { timeout: STOP_MS + 5_000 })
  return server
}

/** A bot id nobody used before. */
function newBot() {
  return `bot_${randomBytes(8).toString('hex')}`
}

/** Polls until the file has one of the final states; returns it. */
async function settled(client, id) {
  const final = ['indexing_completed', 'indexing_failed', 'upload_failed', 'upload_completed']
  return until(`file ${id} to settle`, async () => {
    const { file } = await client.getFile({ id })
    return final.includes(file.status) && file
  })
}

/** Uploads a text to be indexed and waits until it is searchable. */
async function indexed(client, key, content, more = {}) {
  const { file } = await client.uploadFile({ key, content, index: true, ...more })
  const done = await settled(client, file.id)
  if (done.status !== 'indexing_completed') throw new Error(`${key}: ${done.status}: ${done.failedStatusReason}`)
  return done
}

/** What a call threw; fails when it threw nothing. */
async function thrown(promise) {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('the call succeeded, an error was expected')
}

module.exports = { ROOT, Server, serve, newBot, until, settled, indexed, thrown }
