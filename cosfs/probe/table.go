package probe

import "slices"

// themes are all questions, the quick ones first.
func themes() []theme {
	return slices.Concat(
		bucketThemes(),
		rightThemes(),
		hostThemes(),
		conditionThemes(),
		overwriteThemes(),
		partThemes(),
		objectThemes(),
		keyThemes(),
		pagingThemes(),
		signingThemes(),
		timeThemes(),
		lagThemes(),
		idleThemes(),
	)
}
