//! tower-paywall
