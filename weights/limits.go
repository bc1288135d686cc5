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
	MaxEntries       = 4 << 20 // of a lexicon
	MaxConcepts      = 1 << 16
	MaxUnit          = 1000 // of a lexicon's values
	MaxNameBytes     = 256

	// Of encoders.
	MaxLayers          = 64
	MaxHidden          = 8192
	MaxIntermediate    = 32768
	MaxPositions       = 8192
	MaxTypes           = 64
	MaxVocabulary      = 1 << 20 // tokens
	MaxVocabularyBytes = 8 << 20
	MaxWordLength      = 10_000 // characters of a word that is looked up
	MinWindow          = 8      // tokens
)
