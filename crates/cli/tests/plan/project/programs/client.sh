#!/bin/sh
echo "client for @ARCH@"
