// Package serve answers a browser with an assembled site: the kiosk server.
//
// It sends files and takes nothing: only GET and HEAD are answered, request bodies
// are never read, query strings are ignored and never logged. The site's own
// _headers file is the one source of its security headers, so that this server and
// a static host answer alike.
package serve
