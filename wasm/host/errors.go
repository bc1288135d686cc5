package host

import "errors"

// ErrClosed reports use of a Host or Model after its Close.
var ErrClosed = errors.New("host: closed")

// Codes of Error. All but the last come from the module and are described in
// wasm/module/ABI.md; CodeBadShard is this package's own.
const (
	CodeBadManifest  = "bad-manifest"
	CodeBadTensors   = "bad-tensors"
	CodeBadHandle    = "bad-handle"
	CodeNotReady     = "not-ready"
	CodeBadOptions   = "bad-options"
	CodeEmptyNote    = "empty-note"
	CodeNoteTooLarge = "note-too-large"
	CodeOutOfMemory  = "out-of-memory"
	CodeDeviceLost   = "device-lost" // the next call opens the model again
	CodeInternal     = "internal"    // a defect in the module; the instance was discarded
	CodeBadShard     = "bad-shard"
)

// Error is a refusal with a code that programs can act on. Message never holds text
// of a note.
type Error struct {
	Code    string
	Message string
	cause   error
}

func (e *Error) Error() string { return e.Message + " (" + e.Code + ")" }

// Unwrap gives the file system's error where there is one.
func (e *Error) Unwrap() error { return e.cause }
