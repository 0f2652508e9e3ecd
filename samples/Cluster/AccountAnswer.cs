namespace Cluster;

/// <param name="Account">The account's name.</param>
/// <param name="Balance">What storage has of it.</param>
/// <param name="Server">The process that answered. The account itself may be on another one.</param>
/// <param name="Client">The address of the client, as HAProxy sees it.</param>
internal sealed record AccountAnswer(string Account, long Balance, string Server, string Client);
