package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"bedside/wasm/host"
)

type versionCommand struct {
	JSON bool `help:"Print JSON."`
}

// Run prints the revision, the Go version and the module's SHA-256.
func (c *versionCommand) Run(s streams) error {
	v := struct {
		Revision     string `json:"revision"`
		Go           string `json:"go"`
		ModuleSHA256 string `json:"module_sha256"`
		ModuleBytes  int    `json:"module_bytes"`
	}{"unknown", runtime.Version(), "", 0}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				v.Revision = setting.Value
			}
		}
	}
	if module, err := host.EmbeddedModule(); err == nil {
		sum := sha256.Sum256(module)
		v.ModuleSHA256, v.ModuleBytes = hex.EncodeToString(sum[:]), len(module)
	}
	if c.JSON {
		return json.NewEncoder(s.out).Encode(v)
	}
	_, err := fmt.Fprintf(s.out, "bedside %s (%s)\nmodule  %d bytes, SHA-256 %s\n", v.Revision, v.Go, v.ModuleBytes, v.ModuleSHA256)
	return err
}
