// Writes vocab.json, golden.json and codepoints.txt beside itself, with the Rust
// tokenizers as Node knows them:
//
//   npm install --prefix /tmp/rust tokenizers@0.23.2 && NODE_PATH=/tmp/rust/node_modules node goldens.mjs
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const rust = createRequire(import.meta.url)('tokenizers');
const here = (name) => new URL(name, import.meta.url);
const lines = (name) => readFileSync(here(name), 'utf8').replace(/\n$/, '').split('\n');

const bert = (lowercase) => rust.bertNormalizer({ cleanText: true, handleChineseChars: true, stripAccents: lowercase, lowercase });

function wordPiece(vocabulary, normalizer) {
  const t = new rust.Tokenizer(rust.WordPiece.init(vocabulary, { unkToken: '[UNK]' }));
  t.setNormalizer(normalizer);
  t.setPreTokenizer(rust.bertPreTokenizer());
  t.addSpecialTokens(['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']);
  return t;
}

function bpe(ids, merges) {
  const t = new rust.Tokenizer(rust.BPE.init(ids, merges.map((m) => m.split(' '))));
  t.setPreTokenizer(rust.byteLevelPreTokenizer(false, true));
  t.addSpecialTokens(['<|end|>']);
  return t;
}

const vocabulary = Object.fromEntries(lines('vocab.txt').map((token, id) => [token, id]));
const merges = lines('merges.txt').slice(1);
const ids = {};
for (const token of [...rust.byteLevelAlphabet().sort(), ...merges.map((m) => m.replace(' ', '')), '<|end|>']) ids[token] ??= Object.keys(ids).length;
writeFileSync(here('vocab.json'), JSON.stringify(ids, null, 0) + '\n');

const tokenizers = { uncased: wordPiece(vocabulary, bert(true)), cased: wordPiece(vocabulary, bert(false)), bpe: bpe(ids, merges) };
const golden = [];
for (const text of JSON.parse(readFileSync(here('texts.json'), 'utf8'))) {
  const one = { text };
  for (const [name, tokenizer] of Object.entries(tokenizers)) {
    const e = await tokenizer.encode(text);
    one[name] = { ids: e.getIds(), offsets: e.getOffsets() };
  }
  golden.push(JSON.stringify(one));
}
writeFileSync(here('golden.json'), '[\n' + golden.join(',\n') + '\n]\n');

// For every code point: the words that it makes of "a", itself and "b", uncased and
// cased, and its class to GPT-2; one hash for each 1024 of them.
const [uncased, cased, words, pattern] = [bert(true), bert(false), rust.bertPreTokenizer(), rust.byteLevelPreTokenizer(false, true)];
const split = (normalizer, s) => words.preTokenizeString(normalizer.normalizeString(s)).map(([word]) => word).join('\x1f');
const joins = (s) => pattern.preTokenizeString(s).length === 1;
let blocks = '';
for (let block = 0; block < 0x110000; block += 1024) {
  const hash = createHash('sha256');
  for (let c = block; c < block + 1024; c++) {
    if (c >= 0xd800 && c < 0xe000) continue;
    const s = String.fromCodePoint(c);
    const letter = joins('a' + s) ? 'L' : joins('1' + s) ? 'N' : joins('!' + s) ? 'O' : 'S';
    hash.update(`${split(uncased, `a${s}b`)}\x1e${split(cased, `a${s}b`)}\x1e${letter}\n`);
  }
  blocks += hash.digest('hex').slice(0, 8) + '\n';
}
writeFileSync(here('codepoints.txt'), blocks);
