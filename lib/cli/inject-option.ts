/** --inject, for commands that mount: what is to fail, in words (lib/inject-rules.ts). */
import { InvalidArgumentError, Option } from 'commander'
import { type InjectRule, parseRules, resolveRules, ruleText } from '../inject-rules.js'

/** Can be given more than once. */
export function injectOption(what: string): Option {
  return new Option('--inject <rules>', `${what}, as media-write:EIO:nth=3,media-read:delay=50us`).argParser(
    (text: string, before: readonly InjectRule[] | undefined) => {
      try {
        const rules = [...(before ?? []), ...parseRules('the rule', text)]
        resolveRules('rules', rules)
        return rules
      } catch (error) {
        throw new InvalidArgumentError(error instanceof Error ? error.message : String(error))
      }
    },
  )
}

/** The default of every mount of this command from here on, those of its child processes included. */
export function useRules(rules: readonly InjectRule[] | undefined): void {
  if (rules !== undefined) process.env['FAULTLINE_INJECT'] = rules.map(ruleText).join(',')
}
