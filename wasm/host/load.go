package host

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"

	"github.com/tetratelabs/wazero/api"

	"bedside/kernels/simd/headless"
	"bedside/weights"
)

// plan is what bedside_open answers.
type plan struct {
	Model  int32       `json:"model"`
	Shards []planShard `json:"shards"`
}

type planShard struct {
	weights.Shard
	Segments []segment `json:"segments"`
}

type segment struct {
	Offset  int64  `json:"offset"` // within the shard
	Length  int64  `json:"length"`
	To      string `json:"to"`
	Address uint32 `json:"address"`
}

// open makes sure that the instance has m loaded.
func (m *Model) open(ctx context.Context, in *instance) error {
	if m.closed.Load() {
		return ErrClosed
	}
	if _, open := in.handles[m]; open {
		return nil
	}
	device, err := m.device(ctx, in)
	if err != nil {
		return err
	}
	in.handles[m] = handle{device: device}
	if err := m.load(ctx, in); err != nil {
		in.close(ctx, m)
		return err
	}
	return nil
}

// device gives the instance a device for the model: 0 where it needs none but the module's own.
func (m *Model) device(ctx context.Context, in *instance) (number int32, err error) {
	if m.Manifest().Encoder == nil || m.host.device == Reference {
		return 0, nil
	}
	d, err := m.host.newDevice(ctx)
	if err != nil {
		return 0, err
	}
	in.last++
	in.devices[in.last] = d
	return in.last, nil
}

// load has the module open the model, which has its device, and fills it.
func (m *Model) load(ctx context.Context, in *instance) error {
	address, err := in.put(ctx, string(m.bundle.Raw), CodeBadManifest)
	if err != nil {
		return err
	}
	opened := in.handles[m]
	opened.model, err = in.check(ctx, "bedside_open", address, uint64(len(m.bundle.Raw)), api.EncodeI32(opened.device))
	if err != nil {
		if !in.broken {
			_ = in.free(ctx, address)
		}
		return err
	}
	in.handles[m] = opened
	output, err := in.output(ctx)
	if err != nil {
		return err
	}
	if err := in.free(ctx, address); err != nil {
		return err
	}
	return m.fill(ctx, in, opened, output)
}

// fill carries out the load plan.
func (m *Model) fill(ctx context.Context, in *instance, opened handle, written []byte) error {
	var todo plan
	if err := json.Unmarshal(written, &todo); err != nil || todo.Model != opened.model {
		return in.defect("bedside_open left no load plan")
	}
	if len(todo.Shards) != len(m.Manifest().Shards) {
		return in.defect("the load plan names %d shards, the manifest %d", len(todo.Shards), len(m.Manifest().Shards))
	}
	var buffer []byte
	for i, shard := range todo.Shards {
		// The manifest has been checked: what equals it is a plain file name and a bounded size.
		if shard.Shard != m.Manifest().Shards[i] {
			return in.defect("shard %d of the load plan is not the manifest's", i)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if buffer, err = m.bundle.ReadShard(i, buffer); err != nil {
			return &Error{Code: CodeBadShard, Message: err.Error(), cause: err}
		}
		if err := in.write(shard, buffer, in.devices[opened.device]); err != nil {
			return err
		}
	}
	_, err := in.check(ctx, "bedside_ready", api.EncodeI32(opened.model))
	return err
}

// write copies a shard's segments to where the plan wants them.
func (in *instance) write(shard planShard, data []byte, device *headless.Memory) error {
	for _, s := range shard.Segments {
		if s.Offset < 0 || s.Length < 0 || s.Offset > int64(len(data)) || s.Length > int64(len(data))-s.Offset {
			return in.defect("the load plan wants bytes %d+%d of %s, which has %d", s.Offset, s.Length, shard.File, len(data))
		}
		var to []byte
		var ok bool
		switch {
		case s.To == "memory":
			to, ok = in.module.Memory().Read(s.Address, uint32(s.Length))
		case s.To == "device" && device != nil:
			to, ok = device.Bytes(s.Address, uint32(s.Length))
		default:
			return in.defect("the load plan wants %s written to %q", shard.File, s.To)
		}
		if !ok {
			return in.defect("the load plan wants %s written at %#x, outside its memory", shard.File, s.Address)
		}
		copy(to, data[s.Offset:])
	}
	return nil
}

// regularFiles opens nothing but regular files: opening another kind may block for
// ever.
type regularFiles struct{ fs.FS }

func (r regularFiles) Open(name string) (fs.File, error) {
	info, err := fs.Stat(r.FS, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("not a regular file")}
	}
	return r.FS.Open(name)
}
