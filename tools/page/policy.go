package page

import "strings"

// outerPolicy governs the outer document and is inherited by the frame: it lists the
// frame's script and style, and allows what the frame's worker needs, for a policy
// that is inherited can only be narrowed. No script of any address is allowed, only
// the two by hash.
func outerPolicy(outerScript, outerStyle, frameScript, frameStyle string) string {
	return join(
		"default-src 'none'",
		"script-src "+cspHash(outerScript)+" "+cspHash(frameScript)+" 'wasm-unsafe-eval'",
		"style-src "+cspHash(outerStyle)+" "+cspHash(frameStyle),
		"connect-src 'self'",
		"img-src 'self'",
		"manifest-src 'self'",
		"worker-src 'self' blob:",
		"frame-src 'none'",
		"form-action 'none'",
		"base-uri 'none'",
	)
}

// framePolicy governs the inner frame: nothing but its own script, its own style,
// compiling the module, and the worker whose script it carries.
func framePolicy(script, style string) string {
	return join(
		"default-src 'none'",
		"script-src "+cspHash(script)+" 'wasm-unsafe-eval'",
		"style-src "+cspHash(style),
		"worker-src blob:",
		"form-action 'none'",
		"base-uri 'none'",
	)
}

func join(directives ...string) string { return strings.Join(directives, "; ") }

// headersFile is _headers: the policy again, for it holds before the first byte of
// the page is read, and what a meta element cannot say. Connection-Allowlist is what
// keeps Chromium from connecting ahead of a navigation that the policy then refuses:
// no note goes out that way, but the name of a host would.
func headersFile(policy string) string {
	return `/*
  Content-Security-Policy: ` + policy + `; frame-ancestors 'none'
  Connection-Allowlist: (response-origin)
  Cross-Origin-Opener-Policy: same-origin
  Cross-Origin-Embedder-Policy: require-corp
  Cross-Origin-Resource-Policy: same-origin
  Permissions-Policy: camera=(), microphone=(), geolocation=(), display-capture=(), browsing-topics=()
  Referrer-Policy: no-referrer
  X-Content-Type-Options: nosniff
  X-DNS-Prefetch-Control: off
  X-Frame-Options: DENY
/assets/*
  Cache-Control: public, max-age=31536000, immutable
/weights/*
  Cache-Control: public, max-age=31536000, immutable
/
  Cache-Control: no-cache
/index.html
  Cache-Control: no-cache
/sw.js
  Cache-Control: no-cache
/manifest.webmanifest
  Cache-Control: no-cache
/licences.txt
  Cache-Control: no-cache
`
}
