namespace KestrelEventLoopTransport.Loops;

/// <summary>Something that was told of an edge and may not answer it.</summary>
internal interface IWatched
{
    /// <summary>
    /// Called by the loop's thread, once per tick of its <see cref="EdgeWatch"/>. Runs no application code. Returns
    /// whether to ask again.
    /// </summary>
    bool OnWatch();
}
