package webgpu

import "bedside/kernels"

// poolTable is the sequences that pool.wgsl takes at once.
const poolTable = 64

func poolPipelines(Limits) []Pipeline { return []Pipeline{{Shader: "pool"}} }

// pool is one dispatch for up to poolTable sequences.
func (r *recording) pool(o kernels.Pool) error {
	for begin := 0; begin < len(o.Sequences); begin += poolTable {
		some := o.Sequences[begin:min(begin+poolTable, len(o.Sequences))]
		params := make([]uint32, 4+4*poolTable)
		params[0], params[1] = uint32(o.In.Columns), uint32(begin)
		for i, s := range some {
			rows := 1
			if o.Mean {
				rows = s.Keys
			}
			params[4+4*i], params[4+4*i+1] = uint32(s.First), uint32(rows)
		}
		r.dispatch(Pipeline{Shader: "pool"}, [3]int{cover(o.In.Columns, 64), len(some), 1}, params, o.In.Buffer, o.Out.Buffer)
	}
	return nil
}
