"""Sparse training: do networks whose connections change while they train reach those that are pruned?"""
