package weights

// Limits a reader enforces before it allocates anything.
const (
	MaxManifestBytes = 4 << 20
	MaxHeaderBytes   = 1 << 20
	MaxShardBytes    = 4 << 20 // also the size the writer cuts at
	MaxShards        = 1024
	MaxStreamBytes   = MaxShards * MaxShardBytes
	MaxTensors       = 4096
	MaxRank          = 4
	MaxLabels        = 16384
	MaxBlocks        = 8
	MaxTerms         = 2 << 20 // over all blocks
	MaxNGram         = 16
	MaxNameBytes     = 256
)
