package reference

import "bedside/kernels"

// View is a buffer's bytes in place, for whoever writes them without Write. It holds until
// the next Allocate. It is nil where the buffer is not the device's.
func (d *Device) View(b kernels.Buffer) []byte {
	if b.Bytes == 0 || d.within(b) != nil {
		return nil
	}
	return d.bytes(b, int(b.Bytes))
}
