package conf

import (
	"regexp"
	"strings"
)

// Host is the host name of the account's bucket, as COS is asked for it: BUCKET.ENDPOINT as given, with its port
// if it has one, else BUCKET and the host of the region.
func (a *Account) Host() string {
	if a.Endpoint != "" {
		return a.Bucket + "." + a.Endpoint
	}
	return a.Bucket + "." + regionHost(a.Region)
}

// regionHost is format_region of the COS Python SDK that the original uses.
func regionHost(region string) string {
	switch {
	case strings.Contains(region, "cos."), withoutCOS[region]:
	case oldRegions[region] != "":
		region = "cos." + oldRegions[region]
	default:
		region = "cos." + region
	}
	return region + ".myqcloud.com"
}

// withoutCOS are the regions of the oldest hosts.
var withoutCOS = map[string]bool{
	"cn-north": true, "cn-south": true, "cn-east": true, "cn-south-2": true, "cn-southwest": true, "sg": true,
}

// oldRegions are the region names of COS version 4.
var oldRegions = map[string]string{
	"cossh":  "ap-shanghai",
	"cosgz":  "ap-guangzhou",
	"cosbj":  "ap-beijing",
	"costj":  "ap-beijing-1",
	"coscd":  "ap-chengdu",
	"cossgp": "ap-singapore",
	"coshk":  "ap-hongkong",
	"cosca":  "na-toronto",
	"cosger": "eu-frankfurt",
}

var (
	regionForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*[a-z0-9]$`)
	endpointForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\.?(:[0-9]{1,5})?$`)
	bucketForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*-[0-9]+$`)
)
