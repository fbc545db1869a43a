"""Proofs over captures that other people made, and over one capture in many shapes."""
