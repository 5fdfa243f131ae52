// Times @smartdcc/duis-parser and @smartdcc/duis-sign-wrap: node node_peer.cjs PACKAGES parse|sign FILE COUNT REPEATS.
// Prints microseconds for one message, a line for each repeat: processor time, for `sign`, which starts others, real time.
const { createRequire } = require('node:module')
const { readFileSync } = require('node:fs')
const { join } = require('node:path')

const [packages, work, file, count, repeats] = process.argv.slice(2)
const load = createRequire(join(packages, 'x.js'))
const text = readFileSync(file, 'utf-8')

async function main () {
  let once
  if (work === 'parse') {
    const { parseDuis } = load('@smartdcc/duis-parser')
    once = async () => parseDuis('simplified', text)
  } else {
    const { signDuis } = load('@smartdcc/duis-sign-wrap')
    once = async () => signDuis({ xml: text, preserveCounter: true })
  }
  const result = await once()
  if (!result) throw new Error('nothing came of it')
  for (let repeat = 0; repeat < Number(repeats); repeat++) {
    const began = process.hrtime.bigint()
    const used = process.cpuUsage()
    for (let number = 0; number < Number(count); number++) await once()
    const { user, system } = process.cpuUsage(used)
    const tookUs = work === 'sign' ? Number(process.hrtime.bigint() - began) / 1000 : user + system
    console.log(tookUs / Number(count))
  }
}

main().catch(error => { console.error(String(error)); process.exit(1) })
