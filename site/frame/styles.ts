import { css } from 'lit'

export const styles = css`
  :host {
    --back: #f6f7f5;
    --sheet: #ffffff;
    --ink: #17212b;
    --soft: #4b5862;
    --line: #8a949c;
    --hair: #d8dddf;
    --accent: #0b5566;
    --on-accent: #ffffff;
    --fill: #0f6f85;
    --fill-quiet: #a3b1b8;
    --alarm: #8c1d18;
    --alarm-back: #fdeceb;
    --doubt-back: #fff5d9;
    --doubt-line: #a87800;
    --for: 233 168 0;
    --for-line-rgb: 168 112 0;
    --against-line: #5b3fa0;
    --against: 120 92 200;
    display: block;
    min-height: 100vh;
    color: var(--ink);
    background: var(--back);
    font: 1.0625rem/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif;
  }
  @media (prefers-color-scheme: dark) {
    :host {
      --back: #12171b;
      --sheet: #1a2126;
      --ink: #e9eef1;
      --soft: #b3bec6;
      --line: #77838c;
      --hair: #313b42;
      --accent: #8fd3e2;
      --on-accent: #06222a;
      --fill: #5bb7cb;
      --fill-quiet: #56646d;
      --alarm: #ffb4a8;
      --alarm-back: #3a1f1d;
      --doubt-back: #332a12;
      --doubt-line: #d7a83c;
      --for: 145 102 0;
      --for-line-rgb: 255 205 90;
      --against-line: #c3b0ff;
      --against: 150 120 240;
    }
  }
  * {
    box-sizing: border-box;
  }
  .hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  h1,
  h2,
  h3,
  h4,
  p,
  ol,
  ul,
  dl,
  dd,
  figure {
    margin: 0;
    padding: 0;
  }
  header,
  main {
    max-width: 78rem;
    margin: 0 auto;
    padding: 0 1.5rem;
  }
  header {
    display: grid;
    grid-template-columns: 1fr auto auto;
    gap: 0.25rem 1rem;
    align-items: center;
    padding-top: 1rem;
    padding-bottom: 1.25rem;
  }
  .brand {
    display: flex;
    gap: 0.5rem;
    align-items: center;
    font-weight: 650;
    color: var(--accent);
    grid-column: 1;
  }
  .brand svg {
    width: 1.75rem;
    height: 1.75rem;
  }
  .brand .sheet {
    fill: var(--accent);
  }
  .brand .line1,
  .brand .line2 {
    stroke: var(--back);
    stroke-width: 2.5;
    stroke-linecap: round;
  }
  #card-open {
    grid-column: -2;
  }
  h1 {
    grid-column: 1 / -1;
    font-size: clamp(1.375rem, 1.1rem + 1.4vw, 1.875rem);
    line-height: 1.25;
    font-weight: 650;
    margin-top: 0.75rem;
  }
  .privacy {
    grid-column: 1 / -1;
    display: flex;
    flex-wrap: wrap;
    gap: 0.125rem 0.5rem;
    align-items: center;
    color: var(--soft);
  }
  .privacy svg {
    width: 1.125rem;
    height: 1.125rem;
    margin-right: 0.125rem;
    vertical-align: -0.125rem;
    fill: var(--accent);
    color: var(--accent);
  }
  main {
    display: grid;
    grid-template: 'note answer' auto 'why answer' 1fr / minmax(0, 7fr) minmax(0, 5fr);
    gap: 1.5rem;
    align-items: start;
    padding-bottom: 3rem;
  }
  .note {
    grid-area: note;
  }
  .answer {
    grid-area: answer;
  }
  .why {
    grid-area: why;
  }
  h2 {
    font-size: 1.125rem;
    font-weight: 650;
    margin-bottom: 0.5rem;
  }
  h2 em {
    font-style: normal;
    color: var(--accent);
  }
  textarea {
    display: block;
    width: 100%;
    min-height: 12rem;
    padding: 0.875rem 1rem;
    resize: vertical;
    font: inherit;
    color: inherit;
    background: var(--sheet);
    border: 1px solid var(--line);
    border-radius: 0.5rem;
  }
  textarea::placeholder {
    color: var(--soft);
    opacity: 1;
  }
  .note.over textarea {
    outline: 3px dashed var(--accent);
    outline-offset: -6px;
  }
  .remark:not(:empty) {
    font-size: 0.9375rem;
    margin-top: 0.5rem;
    color: var(--soft);
  }
  .tools {
    display: flex;
    flex-wrap: wrap;
    gap: 0.5rem;
    margin-top: 0.75rem;
  }
  button,
  select {
    font: inherit;
    color: var(--accent);
    background: var(--sheet);
    border: 1px solid var(--line);
    border-radius: 0.5rem;
    padding: 0.4375rem 0.875rem;
    min-height: 2.75rem;
    cursor: pointer;
  }
  select {
    max-width: 100%;
    text-overflow: ellipsis;
  }
  button:hover {
    border-color: var(--accent);
  }
  button.quiet {
    background: none;
    border-color: transparent;
  }
  button.quiet:hover {
    border-color: var(--line);
  }
  button.link {
    background: none;
    border: 0;
    padding: 0.25rem;
    min-height: 2rem;
    text-decoration: underline;
    text-underline-offset: 0.15em;
  }
  button:disabled {
    color: var(--soft);
    cursor: default;
  }
  :focus-visible {
    outline: 3px solid var(--accent);
    outline-offset: 2px;
  }
  .empty {
    color: var(--soft);
    padding: 0.75rem 0;
  }
  .parts {
    display: grid;
    gap: 0.5rem;
    padding: 0.75rem 0;
    font-variant-numeric: tabular-nums;
  }
  .parts progress {
    width: 100%;
    height: 0.75rem;
    accent-color: var(--fill);
  }
  .finding {
    animation: late 0s 0.4s both;
  }
  @keyframes late {
    from {
      visibility: hidden;
    }
  }
  .trouble {
    padding: 0.75rem 1rem;
    margin-top: 0.75rem;
    color: var(--alarm);
    background: var(--alarm-back);
    border-left: 0.25rem solid var(--alarm);
    border-radius: 0.25rem;
  }
  #not-sure {
    padding: 0.75rem 1rem;
    margin-bottom: 0.75rem;
    background: var(--doubt-back);
    border-left: 0.25rem solid var(--doubt-line);
    border-radius: 0.25rem;
  }
  #not-sure strong {
    display: block;
    font-size: 1.25rem;
  }
  #labels {
    list-style: none;
  }
  #labels button {
    display: grid;
    grid-template-columns: 1fr auto;
    gap: 0.125rem 0.75rem;
    position: relative;
    width: 100%;
    padding: 0.375rem 0.75rem 0.5rem;
    text-align: left;
    color: var(--ink);
    background: none;
    border-color: transparent;
  }
  #labels button:hover {
    border-color: var(--line);
  }
  #labels button[aria-pressed='true'] {
    background: var(--sheet);
    border-color: var(--accent);
    box-shadow: inset 0.25rem 0 0 var(--accent);
  }
  .clears .name,
  .clears .percent {
    font-weight: 650;
    font-size: 1.125rem;
  }
  .below .name,
  .below .percent {
    color: var(--soft);
  }
  .percent {
    font-variant-numeric: tabular-nums;
  }
  .tick {
    width: 1.125rem;
    height: 1.125rem;
    margin-right: 0.375rem;
    vertical-align: -0.125rem;
    fill: none;
    stroke: var(--accent);
    stroke-width: 2.5;
    stroke-linecap: round;
    stroke-linejoin: round;
  }
  .bar {
    grid-column: 1 / -1;
    width: 100%;
    height: 0.75rem;
  }
  .track {
    fill: var(--hair);
  }
  .clears .fill {
    fill: var(--fill);
  }
  .below .fill {
    fill: var(--fill-quiet);
  }
  .threshold {
    stroke: var(--ink);
    stroke-width: 1.5px;
    vector-effect: non-scaling-stroke;
  }
  .legend {
    display: flex;
    flex-wrap: wrap;
    gap: 0.5rem 1rem;
    margin-bottom: 0.5rem;
    color: var(--soft);
  }
  #reading {
    max-height: 28rem;
    overflow: auto;
    padding: 0.875rem 1rem;
    background: var(--sheet);
    border: 1px solid var(--hair);
    border-radius: 0.5rem;
  }
  .passage {
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
  .passage + .passage {
    margin-top: 0.75rem;
    padding-top: 0.75rem;
    border-top: 1px solid var(--hair);
  }
  mark {
    color: var(--ink);
    border-radius: 0.125rem;
    padding: 0.0625rem 0;
  }
  mark.for {
    background: rgb(var(--for) / var(--strength));
    box-shadow: inset 0 -0.125rem 0 rgb(var(--for-line-rgb) / var(--strength));
  }
  mark.against {
    background: none;
    text-decoration: underline dashed var(--against-line) 2px;
    text-underline-offset: 0.2em;
  }
  mark.level1 {
    --strength: 0.16;
  }
  mark.level2 {
    --strength: 0.3;
  }
  mark.level3 {
    --strength: 0.45;
  }
  mark.level4 {
    --strength: 0.62;
    font-weight: 600;
  }
  @media (prefers-color-scheme: dark) {
    mark.level1 {
      --strength: 0.32;
    }
    mark.level2 {
      --strength: 0.5;
    }
    mark.level3 {
      --strength: 0.7;
    }
    mark.level4 {
      --strength: 0.9;
    }
  }
  details {
    margin-top: 0.75rem;
  }
  summary {
    cursor: pointer;
    padding: 0.375rem 0;
    color: var(--accent);
  }
  table {
    border-collapse: collapse;
    width: 100%;
  }
  th,
  td {
    padding: 0.25rem 0.75rem 0.25rem 0;
    text-align: left;
    font-weight: inherit;
    border-bottom: 1px solid var(--hair);
  }
  thead th {
    color: var(--soft);
    white-space: nowrap;
  }
  tbody th {
    overflow-wrap: anywhere;
  }
  .number {
    text-align: right;
    font-variant-numeric: tabular-nums;
  }
  small {
    color: var(--soft);
    font-size: 0.875rem;
  }
  .balance {
    width: 30%;
    padding-right: 0;
  }
  .balance svg {
    display: block;
    width: 100%;
    height: 0.75rem;
  }
  .balance .for {
    fill: rgb(var(--for));
  }
  .balance .against {
    fill: rgb(var(--against));
  }
  .balance line {
    stroke: var(--line);
    stroke-width: 1px;
    vector-effect: non-scaling-stroke;
  }
  .sum {
    margin-top: 0.5rem;
    color: var(--soft);
  }
  dialog {
    width: min(48rem, calc(100vw - 1rem));
    max-height: calc(100vh - 2rem);
    padding: 1.25rem 1.5rem 2rem;
    overflow: auto;
    color: var(--ink);
    background: var(--sheet);
    border: 1px solid var(--line);
    border-radius: 0.75rem;
  }
  dialog::backdrop {
    background: rgb(0 0 0 / 0.5);
  }
  dialog .close {
    float: right;
  }
  dialog h2 {
    font-size: 1.375rem;
  }
  dialog h3 {
    font-size: 1.0625rem;
    margin: 1.25rem 0 0.25rem;
  }
  dialog h4 {
    font-size: 1.0625rem;
    font-weight: 600;
    margin-top: 0.75rem;
  }
  dialog p + p,
  dialog p + button {
    margin-top: 0.5rem;
  }
  #leak + [role='status'] {
    margin-top: 0.5rem;
  }
  dialog ul {
    padding-left: 1.25rem;
  }
  dialog dt {
    font-weight: 600;
    margin-top: 0.5rem;
  }
  .verdict {
    font-size: 1.125rem;
  }
  .figures {
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr));
    gap: 0.25rem 1rem;
  }
  .figures dt {
    font-weight: 400;
    color: var(--soft);
    font-size: 0.9375rem;
  }
  .figures dd {
    font-variant-numeric: tabular-nums;
    font-weight: 600;
  }
  .figures small {
    font-weight: 400;
  }
  .wide {
    overflow-x: auto;
  }
  code {
    font-size: 0.875rem;
    overflow-wrap: anywhere;
  }
  figure {
    margin-top: 0.75rem;
  }
  .plots {
    display: grid;
    grid-template-columns: repeat(auto-fit, minmax(min(15rem, 100%), 1fr));
    gap: 0 1.5rem;
  }
  .plot {
    width: min(20rem, 100%);
    fill: var(--soft);
    font-size: 12px;
  }
  .plot > rect:first-child {
    fill: none;
    stroke: var(--line);
  }
  .ideal {
    stroke: var(--line);
    stroke-dasharray: 4 4;
  }
  .plot circle {
    fill: var(--fill);
    fill-opacity: 0.8;
  }
  .plot polyline {
    fill: none;
    stroke: var(--fill);
    stroke-width: 2.5px;
  }
  .plot .stand {
    fill: var(--doubt-line);
  }
  @media (max-width: 52rem) {
    header,
    main {
      padding-left: 1rem;
      padding-right: 1rem;
    }
    main {
      grid-template: 'note' auto 'answer' auto 'why' auto / minmax(0, 1fr);
    }
    textarea {
      max-height: 60vh;
    }
    .picker {
      grid-column: 1 / -1;
      grid-row: 2;
    }
    .balance {
      display: none;
    }
  }
  @media (forced-colors: active) {
    .fill {
      fill: CanvasText;
    }
    #labels button[aria-pressed='true'] {
      border: 3px solid Highlight;
    }
  }
`
