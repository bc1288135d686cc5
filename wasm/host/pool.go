package host

import (
	"context"
	"slices"
	"time"
)

// with runs use on an instance that no other call has meanwhile. The context given
// to use ends with ctx and with the host. An instance that trapped, was killed or
// reported a defect in itself is thrown away.
func (h *Host) with(ctx context.Context, m *Model, use func(context.Context, *instance) error) error {
	if err := h.wait(ctx); err != nil {
		return err
	}
	defer func() { <-h.slots }()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.stopped, cancel)()

	in := h.takeIdle(m)
	if in == nil {
		var err error
		if in, err = h.instantiate(ctx); err != nil {
			return h.explain(ctx, err)
		}
	}
	survived := in.killedBy(ctx, h.patience(m))
	err := use(context.WithValue(ctx, instanceKey{}, in), in)
	if !survived() {
		in.broken = true
	}
	h.giveBack(in)
	return h.explain(ctx, err)
}

// stepPatience is how long a part of an encoder's work may go on after its context has
// ended. Killing costs an instance, and with it hundreds of megabytes to read again.
const stepPatience = 5 * time.Second

func (h *Host) patience(m *Model) time.Duration {
	if m.Manifest().Encoder != nil && h.device == SIMD {
		return stepPatience
	}
	return 0
}

// wait takes a slot.
func (h *Host) wait(ctx context.Context) error {
	if h.stopped.Err() != nil {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-h.stopped.Done():
		return ErrClosed
	}
	if h.stopped.Err() != nil {
		<-h.slots
		return ErrClosed
	}
	return nil
}

// explain replaces the exit code of a killed instance by why it was killed.
func (h *Host) explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case h.stopped.Err() != nil:
		return ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}

// takeIdle picks an idle instance for m, or nil where a new one should be made: one
// that has m open, else none while the pool may grow, else the longest unused.
func (h *Host) takeIdle(m *Model) *instance {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.idle) == 0 {
		return nil
	}
	at := -1
	for i, in := range slices.Backward(h.idle) {
		if _, open := in.handles[m]; open {
			at = i
			break
		}
	}
	if at < 0 {
		// len(h.slots) counts the calls at work, this one among them.
		if len(h.idle)+len(h.slots) <= cap(h.slots) {
			return nil
		}
		at = 0
	}
	in := h.idle[at]
	h.idle = slices.Delete(h.idle, at, at+1)
	return in
}

// giveBack puts a sound instance among the idle ones and closes a broken one.
func (h *Host) giveBack(in *instance) {
	if !in.broken {
		survived := in.killedBy(h.stopped, 0)
		in.closeAbandoned(context.WithValue(h.stopped, instanceKey{}, in))
		in.broken = in.broken || !survived()
	}
	if in.broken || h.stopped.Err() != nil {
		in.discard()
		return
	}
	h.mu.Lock()
	h.idle = append(h.idle, in)
	h.mu.Unlock()
}

// forget frees m, which is marked closed, in every idle instance; those at work do
// it when they are given back.
func (h *Host) forget(m *Model) {
	for {
		select {
		case h.slots <- struct{}{}:
		default:
			return
		}
		in := h.takeOpen(m)
		if in != nil {
			h.giveBack(in)
		}
		<-h.slots
		if in == nil {
			return
		}
	}
}

// takeOpen takes an idle instance that has m open, or nil.
func (h *Host) takeOpen(m *Model) *instance {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := slices.IndexFunc(h.idle, func(in *instance) bool {
		_, open := in.handles[m]
		return open
	})
	if at < 0 {
		return nil
	}
	in := h.idle[at]
	h.idle = slices.Delete(h.idle, at, at+1)
	return in
}
