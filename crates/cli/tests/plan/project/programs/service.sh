#!/bin/sh
echo "service for @ARCH@"
