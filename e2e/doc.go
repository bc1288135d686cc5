// Package e2e holds the tests of the whole: the module under wazero against native
// Go, and the assembled page in a real Chromium.
//
// The browser tests need dist/ (make build; another place in BEDSIDE_DIST) and a
// Chromium (found in PATH, or named in BEDSIDE_CHROMIUM). Without them they skip,
// except where CI is true. BEDSIDE_BENCH=1 adds the measurements, which print a table
// and judge nothing.
package e2e
