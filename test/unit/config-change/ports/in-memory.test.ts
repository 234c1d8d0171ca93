import { inMemoryPorts } from '../../../support/in-memory/ports.ts'
import { describePorts } from '../../../support/port-suite.ts'

describePorts('in memory', async now => inMemoryPorts(now))
