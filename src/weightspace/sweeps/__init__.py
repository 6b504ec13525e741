"""From questions to stored answers: rows are asked, missing nodes form waves, waves form cohorts.

`ask` drives an experiment's generator, `requests` says what each node must leave behind, `cohorts` groups
runs of one program, `memory` cuts blocks that fit, `execute` carries out one cohort, `engines` decide where.
"""
