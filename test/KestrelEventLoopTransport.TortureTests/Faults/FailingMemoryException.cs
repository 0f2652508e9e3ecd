namespace KestrelEventLoopTransport.Tests.Torture;

/// <summary>What the failing memory pool throws.</summary>
internal sealed class FailingMemoryException() : OutOfMemoryException("The torture test has no memory for a block.");
