// Runs before everything else in the frame. Content-Security-Policy closes every way out but WebRTC, which Chromium's
// does not know: its constructors go before any other script could take hold of them.

for (const name of Object.getOwnPropertyNames(globalThis)) {
  if (/^(webkit|moz)?RTC/.test(name)) {
    Object.defineProperty(globalThis, name, { value: undefined, writable: false, configurable: false })
  }
}

export {}
