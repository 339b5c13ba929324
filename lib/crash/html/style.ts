/** The looks of a page; colours tell apart without red and green alone, and work in dark surroundings. */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #6a737d; --rule: #d8dee4; --ground: #fff; --band: #f6f8fa;
  --bad: #b42318; --badground: #fee4e2; --good: #1a6b3c; --store: #1f6feb; --flush: #9a6700; --fence: #6e40c9; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --dim: #8d96a0; --rule: #30363d; --ground: #0d1117;
  --band: #161b22; --bad: #ff7b72; --badground: #4a1412; --good: #56d364; --store: #58a6ff; --flush: #e3b341;
  --fence: #bc8cff; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); margin: 2rem auto;
  max-width: 72rem; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem }
.verdict { font-weight: 600 } .verdict.bad { color: var(--bad) } .verdict.good { color: var(--good) }
.dim { color: var(--dim) } code, .mono { font: 13px/1.5 ui-monospace, monospace }
table { border-collapse: collapse } th { text-align: left; font-weight: 600; color: var(--dim) }
td, th { padding: .2rem 1rem .2rem 0; border-bottom: 1px solid var(--rule); vertical-align: top }
td.number { text-align: right; font-variant-numeric: tabular-nums }
article { border: 1px solid var(--rule); border-left: 4px solid var(--bad); border-radius: 4px; padding: .8rem 1.1rem;
  margin: .8rem 0 } article h3 { font-size: 1rem; margin: 0 0 .3rem } article p { margin: .3rem 0 }
.diagnosis { background: var(--band); border-radius: 4px; padding: .4rem .7rem; font-weight: 600 }
.scroll { overflow-x: auto; border: 1px solid var(--rule); border-radius: 4px; background: var(--band) }
svg text { font: 11px ui-monospace, monospace; fill: var(--ink) } svg .dim { fill: var(--dim) }
svg .row { stroke: var(--rule) } svg .store { fill: var(--store) } svg .flush { fill: var(--flush) }
svg .fence { stroke: var(--fence); stroke-width: 2 } svg .told { fill: var(--good) } svg .lost { fill: var(--ground);
  stroke: var(--bad); stroke-width: 2.5 } svg .kept { stroke: var(--bad); stroke-width: 2.5 }
svg .crash { stroke: var(--bad); stroke-width: 2; stroke-dasharray: 5 3 }
.bytes { white-space: pre; font: 13px/1.6 ui-monospace, monospace } .bytes b { color: var(--bad);
  background: var(--badground); font-weight: 600 }
.legend span { margin-right: 1.4rem }
`
