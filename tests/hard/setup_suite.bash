# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The same accounts and fixtures as for the feature tests.
. "${BASH_SOURCE[0]%/*}/../feature/setup_suite.bash"
