package probe

import (
	"context"
	"net/http"
	"net/url"
)

// bucketThemes ask what kind of bucket it is.
func bucketThemes() []theme {
	return []theme{{
		questions: []question{
			{id: "bucket-arch", asks: "Is the bucket an ordinary one, or one with metadata acceleration?", means: []meaning{
				{seen: "ordinary", follows: "directories are names that end with a slash, and are renamed object by object"},
				{seen: "metadata acceleration", follows: "COS has real directories there, lists one level only and renames in one step"},
			}},
			{id: "bucket-zones", asks: "Is the bucket in one availability zone or in several?", means: []meaning{
				{seen: "one", follows: "renamed objects keep their storage class"},
				{seen: "several", follows: "objects have the storage classes of MAZ, which can be copied to the same class only"},
			}},
		},
		ask: askBucket,
	}, {
		questions: []question{
			{id: "bucket-versions", asks: "Does the bucket keep versions?", means: []meaning{
				{seen: "no", follows: "x-cos-forbid-overwrite protects what another writer stored"},
				{seen: "yes", follows: "COS ignores x-cos-forbid-overwrite; what is replaced or deleted stays as an older version, and is billed"},
			}},
		},
		ask: askVersions,
	}}
}

func askBucket(ctx context.Context, s *sheet) error {
	a, err := s.need(ctx, "HEAD Bucket", request{method: http.MethodHead})
	if err != nil {
		return err
	}
	arch, zones := "ordinary", "one"
	if a.header.Get("X-Cos-Bucket-Arch") == "OFS" {
		arch = "metadata acceleration"
	}
	if a.header.Get("X-Cos-Bucket-Az-Type") == "MAZ" {
		zones = "several"
	}
	s.settle("bucket-arch", arch, "", a)
	s.settle("bucket-zones", zones, "", a)
	return nil
}

func askVersions(ctx context.Context, s *sheet) error {
	versioned, a, err := s.versioned(ctx)
	if err != nil {
		return err
	}
	word := "no"
	if versioned {
		word = "yes"
	}
	s.settle("bucket-versions", word, "", a)
	return nil
}

// versioned reports whether the bucket keeps versions now.
func (s *sheet) versioned(ctx context.Context) (bool, *answer, error) {
	a, err := s.need(ctx, "GET Bucket versioning", request{method: http.MethodGet, query: url.Values{"versioning": {""}}})
	if err != nil {
		return false, nil, err
	}
	var result struct{ Status string }
	if err := a.read(&result); err != nil {
		return false, nil, err
	}
	return result.Status == "Enabled", a, nil
}
