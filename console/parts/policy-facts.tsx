import type { ComponentChildren } from 'preact'
import type { PolicyDefinition } from '../api/types.ts'
import { formatExactTime } from '../text/format.ts'
import { MODE_TEXTS } from '../text/policy-text.ts'
import { ForeignText } from './foreign-text.tsx'
import { LimitList } from './limit-list.tsx'

/** Everything that a policy says, and further facts. */
export function PolicyFacts({ policy, children }: { policy: PolicyDefinition; children?: ComponentChildren }) {
  const { limits = [], mode = 'enforce', onStoreFailure, overdraft, description, expiresAt, then } = policy
  const shadow = limits.filter(limit => limit.shadow)
  return (
    <dl class="facts wide">
      <Fact name="Enforced limits">
        <LimitList limits={limits.filter(limit => !limit.shadow)} />
      </Fact>
      {shadow.length > 0 && (
        <Fact name="Shadow limits: counted, deny nobody">
          <LimitList limits={shadow} />
        </Fact>
      )}
      <Fact name={`Mode ${mode}`}>{MODE_TEXTS[mode]}</Fact>
      <Fact name="If the bucket store is unavailable">{onStoreFailure ?? 'as the settings say'}</Fact>
      {overdraft && <Fact name="Overdraft">Checks for more than is left are denied and still charged.</Fact>}
      {description !== undefined && (
        <Fact name="Description">
          <ForeignText text={description} isProse />
        </Fact>
      )}
      {expiresAt && (
        <Fact name={`Ends ${formatExactTime(expiresAt)}`}>
          <Following then={then ?? null} />
        </Fact>
      )}
      {children}
    </dl>
  )
}

function Following({ then }: { then: PolicyDefinition | null }) {
  if (then === null) return <>Then there is no policy under this config key.</>
  return (
    <>
      Then:
      <PolicyFacts policy={then} />
    </>
  )
}

export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}
