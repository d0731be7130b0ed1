#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# codespell over everything that is text; words it takes for errors are listed here.
. "$(dirname "$0")/lib.sh"

need codespell
mapfile -t files < <(tracked | grep -vE '^(LICENSE$|tests/corpus/|tests/lint/spelling\.sh$)')
codespell --ignore-words-list=crate,te,ot,fo,nd,ba,ans,mis,hist,ser,sur,als,wit,parms,inout,uint,ro,childs,doesnt,serie,passt \
	"${files[@]}" || bad=1
done_checking
