package kernels

// PackInt8 lays int8 weights [out][in], row after row, out as Packed has them.
func PackInt8(weights []int8, in, out int) []int8 {
	depth := Padded(in, PackedDepth)
	packed := make([]int8, Padded(out, PanelWidth)*depth)
	for n := range out {
		for k, w := range weights[n*in : (n+1)*in] {
			packed[packedAt(n, k, depth)] = w
		}
	}
	return packed
}

// PackedSums are the Sums of weights laid out as PackInt8 takes them.
func PackedSums(weights []int8, in, out int) []int32 {
	sums := make([]int32, Padded(out, PanelWidth))
	for n := range out {
		for _, w := range weights[n*in : (n+1)*in] {
			sums[n] += int32(w)
		}
	}
	return sums
}

// packedAt is where input k of output n lies; depth is the padded inputs.
func packedAt(n, k, depth int) int {
	panel, group := n/PanelWidth, k/GroupDepth
	return ((panel*depth/GroupDepth+group)*PanelWidth+n%PanelWidth)*GroupDepth + k%GroupDepth
}

// PackPanels lays weights [out][in], row after row, out as Panels has them: float32, or
// half precision as its bits.
func PackPanels[T float32 | uint16](weights []T, in, out int) []T {
	panels := make([]T, Padded(out, PanelWidth)*in)
	for n := range out {
		panel := panels[n/PanelWidth*PanelWidth*in:]
		for k, w := range weights[n*in : (n+1)*in] {
			panel[k*PanelWidth+n%PanelWidth] = w
		}
	}
	return panels
}
