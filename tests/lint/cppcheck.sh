#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# cppcheck over the sources; what is suppressed has its reason here.
. "$(dirname "$0")/lib.sh"

need cppcheck
suppress=(
	missingIncludeSystem		# system headers are not its business
	normalCheckLevelMaxBranches	# a note about its own limits
	checkersReport			# likewise
	unusedStructMember		# does not see uses through cleanup attributes and kernel structures
	variableScope			# declarations at the head of a block are our style
	constParameterCallback		# types of callbacks are given
	constParameterPointer		# an opinion; the compiler warns where it matters
	constVariablePointer		# likewise
	unmatchedSuppression		# versions differ
	unknownMacro			# macros of libraries
	memleak				# does not know cleanup attributes and steal_ptr(); ASan runs all tests
	resourceLeak			# likewise
	leakNoVarFunctionCall		# likewise
	uninitvar			# wrong on output parameters; the compiler and valgrind check
	autoVariables			# output parameters again
	knownConditionTrueFalse		# configuration macros make conditions constant
	unreadVariable			# cleanup attributes read them
	varFuncNullUB			# NULL through varargs is defined on Linux
)
mapfile -t files < <(tracked 'base/*.c' 'cmd/*.c' 'userns/*.c' 'net/*.c' 'storage/*.c' 'runtime/*.c')
cppcheck --quiet --std=c11 --language=c --enable=warning,performance,portability --inline-suppr -j 2 -I . -D_GNU_SOURCE \
	-D__GNUC__=12 -D__linux__=1 -D__x86_64__=1 -DCRT_VERSION='"0"' -DCRT_LIBEXECDIR='"/x"' -DCRT_DATADIR='"/x"' \
	-DCRT_SYSCONFDIR='"/x"' "${suppress[@]/#/--suppress=}" --error-exitcode=1 \
	--template='{file}:{line}: {severity}: {message} [{id}]' "${files[@]}" || bad=1
done_checking
