// Writes docs/openapi.json from the routes as they are built.
import { writeFileSync } from 'node:fs'
import { describeService } from '../dist/src/front/describe-service.js'

writeFileSync(new URL('../docs/openapi.json', import.meta.url), `${JSON.stringify(await describeService(), null, 2)}\n`)
