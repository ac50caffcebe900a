// Compiles the contracts beside it and prints {"Name": "0xbytecode"}. Errors go to the standard error.
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import solc from 'solc'

const here = dirname(fileURLToPath(import.meta.url))
const names = readdirSync(here).filter(name => name.endsWith('.sol')).sort()
const sources = Object.fromEntries(names.map(name => [name, { content: readFileSync(join(here, name), 'utf8') }]))
const settings = {
  evmVersion: 'cancun',
  optimizer: { enabled: true, runs: 200 },
  outputSelection: { '*': { '*': ['evm.bytecode.object'] } }
}
const { errors = [], contracts = {} } =
  JSON.parse(solc.compile(JSON.stringify({ language: 'Solidity', sources, settings })))
if (errors.length > 0) {
  console.error(errors.map(error => error.formattedMessage).join('\n'))
  process.exit(1)
}
const compiled = Object.values(contracts).flatMap(file => Object.entries(file))
console.log(JSON.stringify(Object.fromEntries(
  compiled.map(([name, contract]) => [name, `0x${contract.evm.bytecode.object}`])
)))
