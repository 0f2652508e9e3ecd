namespace KestrelEventLoopTransport.Loops;

/// <summary>Something that an edge was reported to, and that may not answer it.</summary>
internal interface IWatched
{
    /// <summary>
    /// Called on the loop's thread, once per tick of its <see cref="EdgeWatch"/>. Runs no application code.
    /// </summary>
    /// <param name="ticks">Number of ticks since it was added, this one included.</param>
    /// <param name="mark">A number that is kept from one tick to the next. It begins as 0.</param>
    /// <returns>Whether to ask again at the next tick.</returns>
    bool OnWatch(int ticks, ref int mark);
}
