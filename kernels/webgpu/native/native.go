// Package native replays command lists on this machine's Vulkan driver, without a browser, for
// tests: github.com/gogpu/wgpu, whose shader compiler is another one than browsers have.
package native

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/gogpu/gputypes"
	"github.com/gogpu/wgpu"
	_ "github.com/gogpu/wgpu/hal/vulkan" // the driver that wgpu finds

	"bedside/kernels/webgpu"
	"bedside/kernels/webgpu/shaders"
)

// ErrNoGPU: there is no Vulkan driver here.
var ErrNoGPU = errors.New("native: no Vulkan driver: install Debian's mesa-vulkan-drivers")

// GPU is an open Vulkan device and what has been compiled for it.
type GPU struct {
	instance  *wgpu.Instance
	device    *wgpu.Device
	name      string
	limits    webgpu.Limits
	pipelines map[string]*pipeline
}

type pipeline struct {
	*wgpu.ComputePipeline
	bindings *wgpu.BindGroupLayout
}

// Start opens the machine's GPU, or a driver that computes on the processor.
func Start() (*GPU, error) {
	instance, err := wgpu.CreateInstance(&wgpu.InstanceDescriptor{Backends: gputypes.BackendsVulkan})
	if err != nil {
		return nil, fmt.Errorf("%w (%v)", ErrNoGPU, err)
	}
	adapter, err := instance.RequestAdapter(nil)
	if err != nil {
		instance.Release()
		return nil, fmt.Errorf("%w (%v)", ErrNoGPU, err)
	}
	device, err := adapter.RequestDevice(nil)
	if err != nil {
		instance.Release()
		return nil, fmt.Errorf("native: opening %s: %w", adapter.Info().Name, err)
	}
	binding, buffer := min(device.Limits().MaxStorageBufferBindingSize, 1<<30), min(device.Limits().MaxBufferSize, 1<<30)
	// The least that the specification lets an adapter have, so that no shader of ours takes more.
	limits := webgpu.Limits{Binding: uint32(min(binding, buffer)), Buffer: uint32(buffer), Workgroup: 16384, Invocations: 256}
	if adapter.Info().DeviceType == gputypes.DeviceTypeCPU {
		limits.Workgroup = 0 // as hosts say of a processor that plays a GPU; lavapipe compiles barriers in minutes
	}
	return &GPU{
		instance: instance, device: device, name: adapter.Info().Name, limits: limits, pipelines: map[string]*pipeline{},
	}, nil
}

// Name is the adapter's.
func (g *GPU) Name() string { return g.name }

// Close gives the device back.
func (g *GPU) Close() { g.instance.Release() }

// compile is a pipeline, made when it is first asked for.
func (g *GPU) compile(name string) (*pipeline, error) {
	if p, ok := g.pipelines[name]; ok {
		return p, nil
	}
	code, err := source(name)
	if err != nil {
		return nil, err
	}
	p, err := g.make(name, code)
	if err != nil {
		return nil, fmt.Errorf("native: %s: %w", name, err)
	}
	g.pipelines[name] = p
	return p, nil
}

func (g *GPU) make(name, code string) (*pipeline, error) {
	module, err := g.device.CreateShaderModule(&wgpu.ShaderModuleDescriptor{Label: name, WGSL: code})
	if err != nil {
		return nil, err
	}
	var entries []wgpu.BindGroupLayoutEntry
	for i := range strings.Count(code, "@binding(") {
		kind := gputypes.BufferBindingTypeStorage
		if i == 0 {
			kind = gputypes.BufferBindingTypeUniform
		}
		entries = append(entries, wgpu.BindGroupLayoutEntry{Binding: uint32(i), Visibility: wgpu.ShaderStageCompute,
			Buffer: &gputypes.BufferBindingLayout{Type: kind}})
	}
	bindings, err := g.device.CreateBindGroupLayout(&wgpu.BindGroupLayoutDescriptor{Label: name, Entries: entries})
	if err != nil {
		return nil, err
	}
	layout, err := g.device.CreatePipelineLayout(&wgpu.PipelineLayoutDescriptor{Label: name, BindGroupLayouts: []*wgpu.BindGroupLayout{bindings}})
	if err != nil {
		return nil, err
	}
	made, err := g.device.CreateComputePipeline(&wgpu.ComputePipelineDescriptor{Label: name, Layout: layout, Module: module, EntryPoint: "main"})
	if err != nil {
		return nil, err
	}
	return &pipeline{made, bindings}, nil
}

var (
	override = regexp.MustCompile(`(?m)^override (\w+): u32 = (\w+);`)
	requires = regexp.MustCompile(`(?m)^requires \w+;`)
)

// source is a pipeline's WGSL as this wgpu takes it: it leaves overridable constants alone, so they
// become plain ones, and it has packed dots without being asked for them.
func source(name string) (string, error) {
	shader, rest, _ := strings.Cut(name, ",")
	all := shaders.All()
	var code strings.Builder
	for file := range strings.SplitSeq(shader, "+") {
		text, ok := all[file]
		if !ok {
			return "", fmt.Errorf("native: %s: no shader %s.wgsl", name, file)
		}
		code.WriteString(text + "\n")
	}
	values := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		constant, value, _ := strings.Cut(part, "=")
		values[constant] = value + "u"
	}
	return override.ReplaceAllStringFunc(requires.ReplaceAllString(code.String(), ""), func(line string) string {
		found := override.FindStringSubmatch(line)
		value := found[2]
		if given, ok := values[found[1]]; ok {
			value = given
		}
		return "const " + found[1] + ": u32 = " + value + ";"
	}), nil
}
